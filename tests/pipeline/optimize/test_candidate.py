"""Replacements run in ONNX Runtime, else in the judge; what does not load says so."""

import numpy as np

from pipeline.optimize.candidate import Candidate
from tests.pipeline.text_graphs import model_of

ROOT = "({0}[2] x) => ({0}[2] y) {{ y = Sqrt(x) }}"


def test_a_replacement_runs_in_onnx_runtime():
    runner = Candidate(model_of(ROOT.format("float")))
    assert runner.engine.startswith("onnxruntime ")
    (y,) = runner.run({"x": np.float32([4, 9])}).values()
    assert y.tolist() == [2, 3]


def test_bfloat16_ends_run_in_the_judge():
    assert Candidate(model_of(ROOT.format("bfloat16"))).engine == "judge float32"


def test_a_replacement_that_does_not_load_says_why():
    runner = Candidate(model_of("(float[2] x) => (float[3] y) { y = Concat<axis=3>(x, x) }"))
    assert "does not load" in runner.failure
