"""Ranges seen by an observer."""

import math

import onnx_ir as ir
import torch
from onnx import parser

from pipeline.judge import Judge, Range, RangeTracer


def test_a_range_widens_over_runs_and_counts_what_is_not_finite():
    seen = Range()
    seen.add(torch.tensor([0.0, -3.0, 1e-9]))
    seen.add(torch.tensor([float("nan"), float("inf"), 2.0]))
    seen.add(torch.empty(0))
    assert (seen.low, seen.high, seen.largest) == (-3.0, 2.0, 3.0)
    assert math.isclose(seen.tiny, 1e-9, rel_tol=1e-6)
    assert (seen.undefined, seen.infinite, seen.count) == (1, 1, 6)


def test_nothing_finite_leaves_the_range_empty():
    seen = Range()
    seen.add(torch.tensor([float("nan")]))
    assert seen.largest == 0.0
    assert seen.low > seen.high


def test_a_tracer_collects_floats_of_a_run():
    model = ir.from_proto(
        parser.parse_model("""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] x) => (float[N] y) { n = Shape (x)  y = Mul (x, x) }
    """)
    )
    tracer = RangeTracer()
    Judge(model).run({"x": torch.tensor([-300.0, 2.0])}, outputs=["y", "n"], observe=tracer)
    assert tracer.ranges.keys() == {"x", "y"}
    assert tracer.ranges["y"].largest == 90000.0
