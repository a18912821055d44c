"""Types a graph for a precision: low where it is safe, float32 islands where it is not."""

from __future__ import annotations

from pipeline.precision.apply import type_model
from pipeline.precision.core import type_graph
from pipeline.precision.ranges import trace_ranges
from pipeline.precision.report import Island, TypingReport

__all__ = ["Island", "TypingReport", "trace_ranges", "type_graph", "type_model"]
