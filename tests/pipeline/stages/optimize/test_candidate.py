"""Replacements run in ONNX Runtime, else in the judge; what does not load says so."""

import sys

import numpy as np
import onnx_ir as ir

from pipeline.stages.optimize.candidate import Candidate
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of

ROOT = "({0}[2] x) => ({0}[2] y) {{ y = Sqrt(x) }}"


def test_a_replacement_runs_in_onnx_runtime():
    runner = Candidate(model_of(ROOT.format("float")))
    assert runner.engine.startswith("onnxruntime ")
    (y,) = runner.run({"x": np.float32([4, 9])}).values()
    assert y.tolist() == [2, 3]


def test_an_operator_without_a_kernel_runs_in_the_judge():
    inner = "(float[2] x) => (float[2] y) { b = Cast<to=16>(x) s = Sqrt(b) y = Cast<to=1>(s) }"
    runner = Candidate(model_of(inner))
    assert (runner.engine, runner.failure) == ("judge float32", "")
    assert runner.run({"x": np.float32([4, 9])})["y"].tolist() == [2, 3]


def test_without_the_runtime_everything_runs_in_the_judge(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    runner = Candidate(model_of(ROOT.format("float")))
    assert runner.engine == "judge float32"
    assert runner.run({"x": np.float32([4, 9])})["y"].tolist() == [2, 3]


def test_bfloat16_ends_run_in_the_judge():
    assert Candidate(model_of(ROOT.format("bfloat16"))).engine == "judge float32"


def test_a_replacement_that_does_not_load_says_why():
    runner = Candidate(model_of("(float[2] x) => (float[3] y) { y = Concat<axis=3>(x, x) }"))
    assert "does not load" in runner.failure


def test_weights_stay_in_their_files_wherever_those_are(tmp_path):
    """The model is in memory, the working directory another, and the files lie in two folders."""
    model = model_of("(float[4] x, float[4] a, float[4] b) => (float[4] y) { s = Mul(x, a)"
                     " y = Add(s, b) }")  # fmt: skip
    for number, name in enumerate("ab", 1):
        home = tmp_path / name
        home.mkdir()
        np.full(4, number, np.float32).tofile(home / "w.data")
        (value,) = [v for v in model.graph.inputs if v.name == name]
        model.graph.inputs.remove(value)
        value.const_value = ir.ExternalTensor(
            "w.data", 0, 16, ir.DataType.FLOAT, shape=ir.Shape([4]), name=name, base_dir=home
        )
        model.graph.register_initializer(value)
    runner = Candidate(model)
    assert not runner.failure
    (y,) = runner.run({"x": np.float32([1, 2, 3, 4])}).values()
    assert y.tolist() == [3, 4, 5, 6]


def test_caches_are_written_in_place_and_what_is_fed_stays():
    model = model_of(graphs.fused(), graphs.OPSET)
    feeds = graphs.feeds_of(model, 2, 3)
    before = {name: array.copy() for name, array in feeds.items()}
    runner = Candidate(model)
    assert not runner.failure, runner.failure
    found = runner.run(feeds)
    for name, array in feeds.items():
        np.testing.assert_array_equal(array, before[name])
    last = feeds["at"].max() + 3
    np.testing.assert_array_equal(found["nk"][:, :, last:], before["pk"][:, :, last:])
    assert (found["nk"] != before["pk"]).any()
