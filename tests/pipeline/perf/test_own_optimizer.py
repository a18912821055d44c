import onnx
import pytest
from onnx.parser import parse_model

from pipeline.perf.own_optimizer import optimize_with_runtime


def test_the_best_of_several_model_types_is_kept(tmp_path):
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[4, 8] x) => (float[4, 8] y)
    <float half = {0.5}, float one = {1.0}, float root = {1.4142135}> {
      d = Div(x, root)
      e = Erf(d)
      a = Add(e, one)
      m = Mul(x, a)
      y = Mul(m, half)
    }"""
    onnx.save(parse_model(text), tmp_path / "in.onnx")
    kind = optimize_with_runtime(tmp_path / "in.onnx", tmp_path / "out.onnx")
    assert kind in ("bert", "gpt2", "bart", "t5")
    assert [node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node] == ["Gelu"]


def test_what_no_type_fits_is_an_error(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a fusion tripped")

    monkeypatch.setattr("onnxruntime.transformers.optimizer.optimize_model", refuse)
    with pytest.raises(RuntimeError, match="no model type"):
        optimize_with_runtime(tmp_path / "in.onnx", tmp_path / "out.onnx")
