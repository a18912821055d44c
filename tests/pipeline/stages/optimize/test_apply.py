"""One graph in memory: fused as the options say, typed where a precision is asked for."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError, UsageError
from pipeline.stages.optimize.apply import apply_options, apply_to_file
from pipeline.stages.optimize.options import OptimizeOptions
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of

MASKED = graphs.masked(
    "w = Where(m, zero, low) qk = MatMul(qh, kh) t = Mul(qk, half) s = Add(t, w)"
    " p = Softmax<axis=-1>(s)", "bool[B,1,1,T]",
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(ir.to_proto(model_of(MASKED, opset=18)), path)
    return path


def options(**changes):
    return OptimizeOptions(**{"model": "m.onnx", "output": "out.onnx", **changes})


def operators(model):
    return {node.op_type for node in model.graph}


def test_a_file_is_fused_in_memory_and_left_as_it_was(file):
    before = file.read_bytes()
    model, fused = apply_to_file(file, options())
    assert fused.counts["attention"].fused == 1
    assert "Softmax" not in operators(model)
    assert file.read_bytes() == before


def test_what_is_disabled_is_not_fused():
    model = model_of(MASKED, opset=18)
    names = {o.lowering for o in apply_options(model, options()).outcomes if o.lowering}
    again = model_of(MASKED, opset=18)
    apply_options(again, options(disable=tuple(names)))
    assert "Softmax" in operators(again)


def test_proofs_are_made_unless_none_are_asked_for():
    proven = apply_options(model_of(MASKED, opset=18), options())
    assert all(o.certificate for o in proven.outcomes if o.state == "fused")
    unproven = apply_options(model_of(MASKED, opset=18), options(proof="none"))
    assert not any(o.certificate for o in unproven.outcomes)


def test_a_precision_types_the_graph_and_without_one_nothing_is_typed():
    plain, typed = model_of(MASKED, opset=18), model_of(MASKED, opset=18)
    assert apply_options(plain, options(target="tensorrt")).typing is None
    fused = apply_options(typed, options(target="tensorrt", precision="fp16"))
    assert fused.typing is not None
    assert ir.DataType.FLOAT16 in {v.dtype for node in typed.graph for v in node.outputs}


def test_inputs_that_do_not_fit_are_a_usage_error():
    with pytest.raises(UsageError):
        apply_options(
            model_of(MASKED, opset=18), options(target="tensorrt", precision="fp16", proof="full"),
            inputs={"nothing": np.ones(3)},
        )  # fmt: skip


def test_what_is_no_model_is_told_as_that(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no")
    with pytest.raises(BadModelError):
        apply_to_file(tmp_path / "m.onnx", options())
