"""Counted work against measured peaks and measured times."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.perf.contender import Job
from pipeline.perf.limits import best_of, roofline_rows
from pipeline.perf.roofline import Peaks
from pipeline.types import SILENT
from tests.pipeline.records.judged import timing

PEAKS = [Peaks(1e9, 4e9, "fp32", 100), Peaks(2e9, 3e9, "fp32", 100)]


@pytest.fixture
def worker(tmp_path):
    """Return a contender whose profile is known, of a product and an activation."""
    text = (
        '<ir_version: 10, opset_import: ["": 20]> g (float[b, 64] x, float[64, 32] w) '
        "=> (float[b, 32] y) { p = MatMul(x, w) y = Relu(p) }"
    )
    model = parse_model(text)
    weights = onnx.numpy_helper.from_array(np.ones((64, 32), np.float32), "w")
    model.graph.initializer.append(weights)
    del model.graph.input[1]
    onnx.save(model, tmp_path / "m.onnx")
    files = {"model": str(tmp_path / "m.onnx")}

    def profile(job, constructs):
        assert set(constructs.values()) == {"linear", "activation"}
        return {"linear": 3.0, "runtime": 1.0}

    contender = SimpleNamespace(kind="ort", files=files)
    return SimpleNamespace(name="ours", contender=contender, profile=profile)


def rows(worker, jobs):
    results = [timing("ours", 5.0, job="j"), timing("ours", 1.0, job="j", series="first")]
    return roofline_rows([worker], jobs, results, PEAKS, SILENT)


def test_the_best_of_two_probes_counts():
    best = best_of(PEAKS)
    assert (best.flops, best.bytes) == (2e9, 4e9)
    assert (best.precision, best.working_set_bytes) == ("fp32", 100)


def test_the_limit_is_what_the_work_takes_at_the_peaks(worker):
    (row,) = rows(worker, [Job("j", "model", "", {"b": 16})])
    assert (row.contender, row.job, row.measured_ms) == ("ours", "j", 5.0)
    products = 2 * 16 * 64 * 32
    linear = next(c for c in row.constructs if c.construct == "linear")
    assert linear.flops == products
    assert row.flops >= products
    assert row.share == row.limit_ms / 5.0
    assert row.limit_ms >= products / 2e9 * 1e3
    assert row.peaks.flops == 2e9


def test_profiled_times_stand_beside_the_limits_and_what_was_not_counted_is_told(worker):
    (row,) = rows(worker, [Job("j", "model", "", {"b": 16})])
    times = {c.construct: c.measured_ms for c in row.constructs}
    assert times == {"linear": 3.0, "activation": None, "runtime": 1.0}
    runtime = next(c for c in row.constructs if c.construct == "runtime")
    assert (runtime.flops, runtime.limit_ms) == (0.0, 0.0)


def test_only_graphs_are_counted_and_only_their_own_jobs(worker):
    assert rows(worker, [Job("j", "other", "", {"b": 16})]) == ()
    worker.contender.kind = "tensorrt"
    assert rows(worker, [Job("j", "model", "", {"b": 16})]) == ()
