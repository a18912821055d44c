"""Typing with ranges traced on the way: what the optimize stage calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from pipeline.errors import PipelineError, UsageError
from pipeline.inputs import InputMaker, Style
from pipeline.precision.core import type_graph
from pipeline.precision.policy import limits_of
from pipeline.precision.ranges import trace_ranges
from pipeline.precision.report import TypingReport
from pipeline.types import SILENT, Progress

_RUNS: tuple[tuple[int, Style], ...] = ((0, "plain"), (1, "padded"))
"""Variant of sizes and style of inputs of each synthetic run."""


def type_model(
    model: ir.Model,
    precision: str,
    feeds: Sequence[Mapping[str, np.ndarray]] = (),
    keep_io: bool = False,
    progress: Progress = SILENT,
) -> TypingReport:
    """Change a model's floating types in place, by ranges of real or of synthetic inputs.

    Args:
        model: The graph, normalised.
        precision: fp32, fp16 or bf16.
        feeds: Real inputs, one mapping per run; synthetic ones when empty.
        keep_io: Leave floating inputs and outputs float32.
        progress: Hears what is being done.

    Raises:
        UsageError: The precision cannot be typed, or no inputs fit the graph and none are given.
    """
    if limits_of(precision) is None:
        if not _has_low_types(model):
            return TypingReport(precision)
        return type_graph(model, None, precision, None, keep_io)
    runs = list(feeds) or _synthetic(model, precision)
    progress.step(f"tracing ranges for {precision} on {len(runs)} runs")
    ranges = trace_ranges(model, runs)
    progress.step(f"typing the graph as {precision}")
    return type_graph(model, None, precision, ranges, keep_io)


def _has_low_types(model: ir.Model) -> bool:
    """Return whether anything is declared, or cast to, a type narrower than float32."""
    low = {ir.DataType.FLOAT16, ir.DataType.BFLOAT16}
    values = [*model.graph.inputs, *model.graph.initializers.values()]
    for node in model.graph.all_nodes():
        values.extend(node.outputs)
        if node.op_type == "Cast" and ir.DataType(node.attributes.get_int("to", 1)) in low:
            return True
    return any(value.dtype in low for value in values)


def _synthetic(model: ir.Model, precision: str) -> list[dict[str, np.ndarray]]:
    """Return inputs made up for the graph; without any there are no ranges to type it by."""
    try:
        maker = InputMaker(model)
        return [maker.make(maker.dims(variant), variant, style) for variant, style in _RUNS]
    except PipelineError as err:
        raise UsageError(
            f"--precision {precision} needs ranges, and no inputs could be made up: {err.what}",
            where=err.where,
            fix="give real ones with --inputs FILE.npz",
        ) from err
