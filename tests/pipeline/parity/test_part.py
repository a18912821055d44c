import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import BadModelError
from pipeline.parity.candidates import Candidate, graph_precision
from pipeline.parity.part import Part
from pipeline.parity.reference import GraphReference
from pipeline.parity.results import Case
from pipeline.types import SILENT
from tests.pipeline.records.made import tensor


def product(path, quantize):
    """Save y = x @ w, the weight in int8 with one scale when quantized."""
    weight = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    scale = np.float32(np.abs(weight).max() / 127)
    stored = np.round(weight / scale).astype(np.int8)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    tensors = [onnx.numpy_helper.from_array(weight, "w")]
    if quantize:
        nodes.insert(0, helper.make_node("DequantizeLinear", ["q", "s"], ["w"]))
        tensors = [
            onnx.numpy_helper.from_array(stored, "q"),
            onnx.numpy_helper.from_array(scale, "s"),
        ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["batch", 16])],
        [value("y", TensorProto.FLOAT, ["batch", 16])],
        tensors,
    )
    opsets = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


INTERFACE = ([tensor("x", "batch", 16)], [tensor("y", "batch", 16)])


@pytest.fixture
def part(tmp_path):
    plain = product(tmp_path / "plain.onnx", quantize=False)
    feeds = {"x": np.random.default_rng(1).normal(size=(40, 16)).astype(np.float32)}
    case = Case("c", "plain", {"batch": 40}, feeds)
    made = Part("model", *INTERFACE, GraphReference({"model": plain}), [case])
    made.prepare(["fp32"], SILENT)
    return made


def test_a_quantized_graph_is_judged_by_what_it_means(part, tmp_path):
    path = product(tmp_path / "q.onnx", quantize=True)
    assert graph_precision(path) == "int8"
    found = part.compare(Candidate("q", "model", path, "int8"))
    assert found.passed
    assert found.outputs[0].errors.rms > 1e-4, "far beyond float32"
    assert "quantization moves it" in part.notes[0]
    assert not part.compare(Candidate("q", "model", path, "fp32")).passed


def test_checks_use_the_noise_of_the_precision(part, tmp_path):
    found = part.compare(Candidate("p", "model", part.reference.files["model"], "fp32"))
    assert found.passed
    assert {check.name for check, _ in found.checks} == {"identical rows", "permuted rows"}
    assert all(share <= 1.0 for _, share in found.checks)


def test_what_torch_itself_does_not_show_is_not_asked(part):
    def leaks(feeds):
        return {"y": feeds["x"] - feeds["x"].mean()}

    from pipeline.parity.checks import run_checks

    checks = run_checks(leaks, part._applicable())
    permuted = [check for check in checks if check.name == "identical rows"]
    assert permuted
    part.own_checks["fp32"] = checks
    for check in checks:
        judged, share = part._judged(check, "fp32")
        assert share <= 1.0
        assert bool(judged.skipped) is (part._share(check, "fp32") > 1.0)


def test_cases_the_reference_cannot_run_are_left_out_and_noted(part):
    wrong = Case("wrong", "plain", {}, {"x": np.ones((2, 5), np.float32)})
    mixed = Part("model", *INTERFACE, part.reference, [*part.cases, wrong])
    mixed.prepare(["fp32"], SILENT)
    assert [case.name for case in mixed.cases] == ["c"]
    assert "case wrong left out" in mixed.notes[0]
    with pytest.raises(BadModelError):
        Part("model", *INTERFACE, part.reference, [wrong]).prepare(["fp32"], SILENT)
