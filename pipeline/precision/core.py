"""Typing a graph: which nodes stay float32 and why, the rest low, the fewest Casts between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.errors import BadModelError
from pipeline.graph.inference.facts import Facts
from pipeline.graph.module_path import module_path
from pipeline.precision.assign import assign
from pipeline.precision.constraints import Range, must_stay
from pipeline.precision.empty_rows import settle, with_low_masks
from pipeline.precision.masks import cuts, find_masks
from pipeline.precision.policy import FLEXIBLE, OPAQUE, Limits, limits_of
from pipeline.precision.report import Island, TypingReport
from pipeline.precision.retype import Retyper, drop_float_casts, drop_unused
from pipeline.precision.values import Values

_WORDS = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.BFLOAT16: "bfloat16",
}


def type_graph(
    model: ir.Model,
    facts: Facts | None,
    precision: str,
    ranges: Mapping[str, Range] | None = None,
    keep_io: bool = False,
) -> TypingReport:
    """Change a model's floating types in place and return what was done.

    Args:
        model: The graph; functions must be inlined.
        facts: Types of values the file does not declare; inferred when None.
        precision: fp32, fp16 or bf16.
        ranges: What values were seen to hold, by name; see `trace_ranges`.
        keep_io: Leave floating inputs and outputs float32 instead of giving them the low type.

    Raises:
        UsageError: The precision cannot be typed.
        BadModelError: The model has functions left.
    """
    limits = limits_of(precision)
    if model.functions:
        name = next(iter(model.functions.values())).name
        raise BadModelError(f"the function {name} is not inlined", fix="normalise the model first")
    known = facts if facts is not None else Facts(model)
    values = Values(model, known.dtype, known.shape)
    _declare(model, values)
    removed = drop_float_casts(model, values)
    plan = _plan(model, values, limits, ranges or {}, keep_io)
    retyper = Retyper(model, values, plan.types, plan.cut, plan.ends)
    retyper.run()
    if limits is not None:
        settle(model, plan.empty, values, limits)
    drop_unused(model)
    return TypingReport(
        precision=precision,
        low_nodes=len(plan.low),
        high_nodes=len(plan.types) - len(plan.low),
        islands=plan.islands,
        casts=retyper.casts,
        casts_removed=removed,
        masks={v.name or "?": (-plan.masks[v], -cut) for v, cut in plan.cut.items()},
        inputs=_types(model.graph.inputs),
        outputs=_types(model.graph.outputs),
        ranged=bool(ranges),
    )


@dataclass(frozen=True)
class _Plan:
    """What is to be done: a type per node, masks to cut, attentions whose rows may be empty."""

    types: dict[ir.Node, ir.DataType]
    low: set[ir.Node]
    islands: tuple[Island, ...]
    masks: Mapping[ir.Value, float]
    cut: dict[ir.Value, float]
    empty: list[ir.Node]
    ends: ir.DataType


def _plan(
    model: ir.Model,
    values: Values,
    limits: Limits | None,
    ranges: Mapping[str, Range],
    keep_io: bool,
) -> _Plan:
    nodes = _floating_nodes(model, values)
    wide = ir.DataType.FLOAT
    if limits is None:
        return _Plan(dict.fromkeys(nodes, wide), set(), (), {}, {}, [], wide)
    masks = find_masks(model, values.array)
    reasons = {node: must_stay(node, values, limits, masks, ranges) for node in nodes}
    low = assign(model, values, reasons, io_low=not keep_io)
    return _Plan(
        types={node: limits.dtype if node in low else wide for node in nodes},
        low=low,
        islands=_islands(reasons, low),
        masks=masks.constants,
        cut=cuts(masks, limits.mask),
        empty=with_low_masks(model, masks, values, limits, low),
        ends=wide if keep_io else limits.dtype,
    )


def _declare(model: ir.Model, values: Values) -> None:
    """Write inferred types on the values, so that removing nodes loses nothing."""
    for node in model.graph:
        for value in node.outputs:
            if value.dtype is None:
                dtype = values.dtype(value)
                if dtype is not None:
                    value.dtype = dtype


def _floating_nodes(model: ir.Model, values: Values) -> list[ir.Node]:
    """Return the nodes that read or write floats, constants' own nodes aside."""
    found = []
    for node in model.graph:
        if node.op_type == "Constant":
            continue
        touched = [*node.inputs, *node.outputs]
        if node.op_type in OPAQUE or any(values.is_flexible(v) for v in touched):
            found.append(node)
    return found


def _islands(reasons: Mapping[ir.Node, str], low: set[ir.Node]) -> tuple[Island, ...]:
    """Return the connected float32 regions, in graph order."""
    high = [node for node in reasons if node not in low]
    members = set(high)
    seen: set[ir.Node] = set()
    islands = []
    for node in high:
        if node in seen:
            continue
        region = _connected(node, members, seen)
        why = tuple(sorted({reasons[n] for n in region if reasons[n]}))
        counts = Counter(n.op_type for n in region)
        islands.append(Island(module_path(node), dict(counts), why))
    return tuple(islands)


def _connected(start: ir.Node, members: set[ir.Node], seen: set[ir.Node]) -> list[ir.Node]:
    region, todo = [], [start]
    seen.add(start)
    while todo:
        node = todo.pop()
        region.append(node)
        for other in _neighbours(node):
            if other in members and other not in seen:
                seen.add(other)
                todo.append(other)
    return region


def _neighbours(node: ir.Node) -> list[ir.Node]:
    """Return the nodes that share a floating value with this one."""
    producers = [v.producer() for v in node.inputs if v is not None and v.dtype in FLEXIBLE]
    readers = [n for v in node.outputs if v.dtype in FLEXIBLE for n, _index in v.uses()]
    return [n for n in (*producers, *readers) if n is not None]


def _types(values: Iterable[ir.Value]) -> dict[str, str]:
    """Return the word for each floating value's type."""
    return {v.name or "": _WORDS[v.dtype] for v in values if v.dtype in _WORDS}
