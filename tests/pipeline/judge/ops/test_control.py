"""Control flow and sequences against ONNX's own operator tests."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError
from pipeline.judge.interpreter import Judge
from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = ["If", "Loop", "Scan", "SequenceInsert", "SplitToSequence"]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)


@pytest.mark.parametrize("limit", ["1000000000", ""], ids=["10^9", "for ever"])
def test_a_loop_that_would_not_end_is_refused(limit):
    rounds = f"m = Constant <value = int64 {{{limit}}}> ()" if limit else ""
    text = f"""<ir_version: 10, opset_import: ["": 20]>
    g (float[2] x) => (float[2] y) {{
        {rounds}
        t = Constant <value = bool {{1}}> ()
        y = Loop ({"m" if limit else '""'}, t, x) <body = b (int64 i, bool c, float[2] v)
            => (bool d, float[2] w) {{ d = Identity (c)  w = Sin (v) }}>
    }}"""
    model = ir.from_proto(onnx.parser.parse_model(text))
    with pytest.raises(BadModelError, match="rounds of a Loop"):
        Judge(model, "float64").run({"x": np.ones(2, np.float32)})
