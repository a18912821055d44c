"""Casts against ONNX's own operator tests."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto
from onnx.parser import parse_model

from pipeline.judge import Judge
from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = ["Cast", "CastLike"]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)


@pytest.mark.parametrize("kind", ["INT4", "UINT4"])
def test_numbers_that_do_not_fit_four_bits_lose_their_high_ones(kind):
    """As in ONNX Runtime, of whole numbers: the rest it rounds, where the standard truncates."""
    model = parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        f"g (float[n] x) => (int32[n] y) {{ c = Cast <to = {getattr(TensorProto, kind)}> (x)"
        "  y = Cast <to = 6> (c) }"
    )
    x = np.array([-20, -9, -8, -1, 0, 3, 7, 8, 15, 16, 21], np.float32)
    (wanted,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    (made,) = Judge(ir.from_proto(model)).run({"x": x}).values()
    assert made.tolist() == wanted.tolist()
