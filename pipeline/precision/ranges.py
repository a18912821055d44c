"""Ranges of every value, traced by the judge on real or synthetic inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from pipeline.judge.interpreter import Judge
from pipeline.judge.ranges import Range, RangeTracer


def trace_ranges(
    model: ir.Model, runs: Iterable[Mapping[str, np.ndarray]], dtype: str = "float32"
) -> dict[str, Range]:
    """Return what every floating value was seen to hold over all runs.

    Args:
        model: The graph as it will be typed; values are found again by name.
        runs: Feeds, one mapping per run; several shapes and magnitudes are better than one.
        dtype: How the judge computes; float64 where float32 itself might overflow.
    """
    tracer = RangeTracer()
    judge = Judge(model, dtype)
    for feeds in runs:
        judge.run(feeds, observe=tracer)
    return tracer.ranges
