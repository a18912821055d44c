"""Mask constants: the huge negative numbers that are added to, or chosen instead of, scores.

They are found by walking back from every softmax and attention mask through what adds, chooses
and moves. Before a written-out softmax they stay float32 with all they touch: there a fully
masked row means what it meant. An attention operator takes its mask in the low type, so there the
constants are cut: they must neither become -inf (a fully masked row is then NaN) nor reach it
when two masks are added (finfo.min + finfo.min), yet still silence any score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.operators import COMPARISONS, MASK_INPUT

_SCORES = frozenset({"Softmax", "LogSoftmax"})
_THROUGH = frozenset(
    {"Add", "Sub", "Mul", "Where", "Expand", "Reshape", "Unsqueeze", "Squeeze", "Transpose",
     "Slice", "Gather", "GatherND", "Concat", "Cast", "CastLike", "Identity", "Min", "Max",
     "Trilu", "Tile", "ScatterND", "ScatterElements", "Neg", "Pad", "Flatten", "Split"}
)  # fmt: skip
_EXTREMES = frozenset({"ReduceMax", "ReduceMin"})
_HUGE = 2.0**15
_LARGEST_READ = 1 << 24

Constant = Callable[[ir.Value], "np.ndarray | None"]


@dataclass(frozen=True)
class Masks:
    """What is known of a model's masks.

    Attributes:
        constants: Constants on their way into an attention operator, with their magnitude.
        values: Values whose magnitude only comes from mask constants.
        wide: Those of them that reach a written-out softmax.
    """

    constants: dict[ir.Value, float]
    values: frozenset[ir.Value]
    wide: frozenset[ir.Value]


def find_masks(model: ir.Model, constant: Constant) -> Masks:
    """Return the mask constants with their largest magnitude, and what they flow into."""
    written = _behind(
        [n.inputs[0] for n in model.graph if n.op_type in _SCORES and n.domain in ("", "ai.onnx")]
    )
    taken = _behind(
        [
            n.inputs[MASK_INPUT[n.op_type]]
            for n in model.graph
            if n.op_type in MASK_INPUT and len(n.inputs) > MASK_INPUT[n.op_type]
        ]
    )
    magnitudes = {v: m for v in written | taken if (m := _mask_magnitude(v, constant)) is not None}
    wide = frozenset(_reached([v for v in magnitudes if v in written], written))
    narrow = frozenset(_reached([v for v in magnitudes if v in taken], taken))
    constants = {v: m for v, m in magnitudes.items() if v in taken}
    extremes = {
        node.outputs[0]
        for value in narrow
        for node, _index in value.uses()
        if node.op_type in _EXTREMES
    }
    for value in _thresholds(narrow | extremes):
        magnitude = _mask_magnitude(value, constant)
        if magnitude is not None:
            constants[value] = magnitude
    return Masks(constants, wide | narrow | extremes | constants.keys(), wide - narrow)


def cuts(masks: Masks, limit: float) -> dict[ir.Value, float]:
    """Return the new magnitude of each constant that is beyond a limit.

    Constants near the largest keep their order among each other: a threshold a little above the
    mask it is compared with stays a little above it.
    """
    top = max(masks.constants.values(), default=0.0)
    return {
        value: limit * (size / top if size > top / 2 else 1.0)
        for value, size in masks.constants.items()
        if size > limit
    }


def _thresholds(masks: frozenset[ir.Value]) -> Iterator[ir.Value]:
    """Yield what masks are compared with: is this row empty, is this key dropped."""
    for value in masks:
        for node, index in value.uses():
            if node.op_type in COMPARISONS:
                other = node.inputs[1 - index]
                if other is not None:
                    yield other


def _behind(ends: list[ir.Value | None]) -> set[ir.Value]:
    """Return every value that reaches one of the ends through additions, choices and moves."""
    todo = list(ends)
    seen: set[ir.Value] = set()
    while todo:
        value = todo.pop()
        if value is None or value in seen:
            continue
        seen.add(value)
        node = value.producer()
        if node is not None and node.op_type in _THROUGH:
            todo.extend(node.inputs)
    return seen


def _mask_magnitude(value: ir.Value, constant: Constant) -> float | None:
    """Return the magnitude of a constant that holds one huge negative number, perhaps with 0."""
    producer = value.producer()
    if producer is not None and producer.op_type == "ConstantOfShape":
        tensor = producer.attributes.get("value")
        array = tensor.as_tensor().numpy() if tensor is not None else np.zeros(1, np.float32)
    else:
        found = constant(value)
        if found is None or found.size > _LARGEST_READ:
            return None
        array = found
    if array.dtype.kind not in "fV" or array.size == 0:
        return None
    wide = array.astype(np.float32)
    finite = np.abs(wide[np.isfinite(wide)])
    if finite.size == 0 or finite.max() < _HUGE:
        return None
    lowest = float(wide[np.isfinite(wide)].min())
    only = bool(np.all((finite >= _HUGE) == (finite == finite.max())))
    return float(finite.max()) if only and (lowest < 0) else None


def _reached(constants: list[ir.Value], within: set[ir.Value]) -> Iterator[ir.Value]:
    seen = set(constants)
    todo = list(constants)
    while todo:
        value = todo.pop()
        yield value
        for node, _index in value.uses():
            if node.op_type not in _THROUGH:
                continue
            for output in node.outputs:
                if output in within and output not in seen:
                    seen.add(output)
                    todo.append(output)
