import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import BadModelError
from pipeline.parity.candidates import Candidate, graph_precision
from pipeline.parity.limits import Limits
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


def test_a_quantised_graph_is_held_to_what_it_loses(part, tmp_path):
    path = product(tmp_path / "q.onnx", quantize=True)
    assert graph_precision(path) == "int8-weights"
    found = part.compare(Candidate("q", "model", path, "int8-weights"))
    assert found.passed
    (output,) = found.outputs
    assert output.errors.rms > 1e-4, "far beyond float32"
    assert output.noise is None
    assert {m.name for m in output.measures} == {"cosine", "drop"}
    assert all(m.low <= m.value <= m.high for m in output.measures)


@pytest.mark.parametrize("fault", ["scale", "zero", "shift"])
def test_a_fault_in_a_quantised_weight_fails(part, tmp_path, fault):
    model = onnx.load(product(tmp_path / "q.onnx", quantize=True))
    stored, scale = model.graph.initializer
    wrong = {
        "scale": lambda q, s: (q, s * 3),
        "zero": lambda q, s: (q * 0, s),
        "shift": lambda q, s: (np.roll(q, 1, 0), s),
    }[fault](onnx.numpy_helper.to_array(stored), onnx.numpy_helper.to_array(scale))
    for kept, value in zip((stored, scale), wrong, strict=True):
        kept.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value), kept.name))
    onnx.save(model, tmp_path / "wrong.onnx")
    found = part.compare(Candidate("q", "model", tmp_path / "wrong.onnx", "int8-weights"))
    assert not found.passed
    assert found.outputs[0].usage > 1


def test_a_limit_of_the_user_replaces_the_default(part, tmp_path):
    path = product(tmp_path / "q.onnx", quantize=True)
    part.limits = Limits(drop=1e-4)
    assert not part.compare(Candidate("q", "model", path, "int8-weights")).passed
    part.limits = Limits(drop=0.5)
    assert part.compare(Candidate("q", "model", path, "int8-weights")).passed


def test_noise_between_runs_is_told(part, monkeypatch):
    class Drifting:
        def __init__(self):
            self.calls = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def run(self, feeds):
            self.calls += 1
            weight = onnx.load(part.reference.files["model"]).graph.initializer[0]
            exact = feeds["x"].astype(np.float64) @ onnx.numpy_helper.to_array(weight)
            return {"y": (exact * (1 + 1e-3 * (self.calls == 4))).astype(np.float32)}

        def describe(self):
            return {}

    candidate = Candidate("p", "model", part.reference.files["model"], "fp32")
    monkeypatch.setattr(Candidate, "open", lambda self, threads: Drifting())
    found = part.compare(candidate)
    assert not found.passed
    assert "is not deterministic" in part.notes[-1]


def test_a_reference_without_numbers_fails_in_words(part):
    part.lost = "the reference's weights hold NaN: w"
    found = part.compare(Candidate("p", "model", part.reference.files["model"], "fp32"))
    assert not found.passed
    assert found.outputs[0].problem == part.lost


def test_checks_use_the_noise_of_the_precision(part, tmp_path):
    found = part.compare(Candidate("p", "model", part.reference.files["model"], "fp32"))
    assert found.passed
    assert {c.name for c, _ in found.checks} == {"repeated runs", "identical rows", "permuted rows"}
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
