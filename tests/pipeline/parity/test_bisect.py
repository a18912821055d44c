import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.parser import parse_model

from pipeline.accuracy import Errors
from pipeline.parity.bisect import (
    describe_producer,
    find_departure,
    first_departure,
    furthest,
    shared_names,
    worst_case,
)
from pipeline.parity.candidates import Candidate
from pipeline.parity.part import Part
from pipeline.parity.reference import GraphReference
from pipeline.parity.results import CandidateResult, Case, OutputResult
from pipeline.types import SILENT

HEAD = '<ir_version: 10, opset_import: ["" : 20]> g (float[n, 8] x) => (float[n, 8] y)'
CHAIN = HEAD + " { a = Erf(x) b = Tanh(a) y = Neg(b) }"


def values(**shift):
    base = {name: np.linspace(-1, 1, 2000) for name in "abc"}
    return {name: array + shift.get(name, 0.0) for name, array in base.items()}


def test_the_first_tensor_beyond_its_budget_is_named_with_the_last_good_one():
    noise = values(a=1e-7, b=1e-7, c=1e-7)
    assert first_departure(list("abc"), values(), noise, values(c=1e-7), "fp32") is None
    name, share, before = first_departure(
        list("abc"), values(), noise, values(b=1e-3, c=1e-3), "fp32"
    )
    assert (name, before) == ("b", "a")
    assert share > 100
    short = {**values(), "b": np.ones(3)}
    assert first_departure(list("abc"), values(), noise, short, "fp32")[0] == "b"


def test_only_names_both_compute_are_compared():
    fused = ir.from_onnx_text(HEAD + " { b = Tanh(x) y = Neg(b) }")
    assert shared_names(ir.from_onnx_text(CHAIN), fused) == ["b", "y"]


def test_the_producer_is_described_with_its_rewrite():
    model = ir.from_onnx_text(CHAIN)
    node = model.graph[1]
    node.name = "node_7"
    node.metadata_props["pipeline.rule"] = "FuseTanh"
    found = describe_producer(model, "b")
    assert (found.node, found.rewrite) == ("Tanh node_7", "FuseTanh")
    assert describe_producer(model, "x").node == ""


@pytest.fixture
def part(tmp_path):
    onnx.save(parse_model(CHAIN), tmp_path / "a.onnx")
    feeds = {"x": np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)}
    reference = GraphReference({"model": tmp_path / "a.onnx"})
    return Part("model", [], [], reference, [Case("c", "plain", {}, feeds)])


def found_in(part, path, precision="fp32"):
    candidate = Candidate(path.name, "model", path, precision)
    return find_departure(part, part.reference.files["model"], candidate, SILENT)


def test_a_graph_that_means_something_else(part, tmp_path):
    onnx.save(parse_model(CHAIN.replace("Tanh", "Sigmoid")), tmp_path / "b.onnx")
    found = found_in(part, tmp_path / "b.onnx")
    assert (found.stage, found.tensor, found.before) == ("graph", "b", "a")


def test_a_sound_graph_is_not_blamed(part, tmp_path):
    assert found_in(part, tmp_path / "a.onnx").stage == "unknown"


def test_kernels_are_blamed_when_only_they_differ(part, tmp_path, monkeypatch):
    from pipeline.parity import bisect

    def wrong(file, feeds, names, own_optimizer):
        return {"b": np.zeros((40, 8), np.float32)} if not own_optimizer else {}

    monkeypatch.setattr(bisect, "_ran", wrong)
    found = found_in(part, tmp_path / "a.onnx")
    assert (found.stage, found.tensor) == ("kernels", "b")


def failed(case, output="y", usage=2.0, precision="fp32"):
    return OutputResult(output, usage, case, Errors(), None, None, precision=precision)


def test_it_looks_at_the_worst_case_and_not_at_the_largest_inputs():
    small = Case("small", "plain", {}, {"x": np.ones((1, 8))})
    large = Case("big", "plain", {}, {"x": np.ones((40, 8))})
    assert worst_case([large, small], failed("small")) is small
    assert worst_case([small, large], failed("gone")) is large
    assert worst_case([small, large], None) is large


def test_the_output_that_is_furthest_off_is_looked_at():
    outputs = (failed("a", "x", 0.5), failed("b", "y", 7.0), failed("c", "z", 3.0))
    entry = CandidateResult("c", "model", "fp32", "f", {}, outputs)
    assert furthest(entry).output == "y"
    assert furthest(CandidateResult("c", "model", "fp32", "f", {}, ())) is None


def test_quantised_tensors_are_held_to_their_loss():
    noise = values(a=1e-7, b=1e-7, c=1e-7)
    lossy = values(a=0.01, b=0.01, c=0.5)
    assert first_departure(list("abc"), values(), noise, lossy, "fp32", 0.1)[0] == "c"
    assert first_departure(list("abc"), values(), noise, values(a=0.01), "fp32", 0.1) is None
