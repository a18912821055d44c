"""Whether a mask keeps each new token of a cache from what is written after it.

    mask[b, h, q, k] implies k <= written[b] + q

A cache of fixed size holds more positions than have been written. Whoever stops reading at the
last one written needs to know that no mask lets a token see further. The comparison is found by
reading both of its sides as sums of positions: `k - q - written[b] + c`.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim

# What a sum adds up: positions along an axis (of this size) or a tensor's entries, with the axis
# counted from the right, 1 being the last; CONSTANT is the number without either.
Term: TypeAlias = "tuple[ir.Value | Dim | None, int]"
Sum: TypeAlias = "Counter[Term]"
CONSTANT: Term = (None, 0)
KEYS, ROWS, BATCH = 1, 2, 4
# operator -> (whether the smaller side stands first, what a strict comparison adds)
_COMPARES = {
    "LessOrEqual": (True, 0),
    "Less": (True, 1),
    "GreaterOrEqual": (False, 0),
    "Greater": (False, 1),
}
_DEPTH = 16


def sees_no_later(mask: ir.Value, written: ir.Value, facts: Facts) -> bool:
    """Return whether a boolean mask [B, H, T, C] hides all keys after `written[b] + row`."""
    todo, seen = [mask], 0
    while todo and seen < _DEPTH:
        node = todo.pop().producer()
        seen += 1
        if node is None or node.domain:
            continue
        if node.op_type in ("And", "Identity"):  # one condition of several is enough
            todo += [value for value in node.inputs if value is not None]
        elif node.op_type == "Expand" and node.inputs[0] is not None:
            todo.append(node.inputs[0])
        elif node.op_type in _COMPARES and _ends_at_own(node, written, facts):
            return True
    return False


def _ends_at_own(node: ir.Node, written: ir.Value, facts: Facts) -> bool:
    first, strict = _COMPARES[node.op_type]
    shape = facts.shape(node.outputs[0])
    small, large = node.inputs if first else reversed(node.inputs)
    left, right = read_sum(small, written, facts), read_sum(large, written, facts)
    if shape is None or len(shape) != BATCH or left is None or right is None:
        return False
    left.subtract(right)
    constant = left.pop(CONSTANT, 0) + strict
    found = {term: count for term, count in left.items() if count}
    wanted: dict[Term, int] = {(shape[-KEYS], KEYS): 1, (written, BATCH): -1}
    if shape[-ROWS] != 1:
        wanted[shape[-ROWS], ROWS] = -1
    return found == wanted and constant >= 0


def read_sum(value: ir.Value | None, written: ir.Value, facts: Facts, depth: int = 0) -> Sum | None:
    """Return an integer tensor as a sum of positions and of `written`, None if it is none."""
    if value is None or depth > _DEPTH:
        return None
    if value is written:
        return Counter({(written, 1): 1})
    kind = facts.dtype(value)
    if kind is None or not kind.is_integer():
        return None
    array = facts.const(value) if facts.is_const(value) else None
    if array is not None:
        return _constant(array)
    node = value.producer()
    if node is None or node.domain:
        return None
    return _computed(node, written, facts, depth + 1)


def _computed(node: ir.Node, written: ir.Value, facts: Facts, depth: int) -> Sum | None:
    match node.op_type:
        case "Identity" | "Cast":
            return read_sum(node.inputs[0], written, facts, depth)
        case "Add" | "Sub":
            left, right = (read_sum(x, written, facts, depth) for x in node.inputs)
            if left is None or right is None:
                return None
            (left.update if node.op_type == "Add" else left.subtract)(right)
            return left
        case "Range":
            start, step = facts.scalar(node.inputs[0]), facts.scalar(node.inputs[2])
            size = facts.shape(node.outputs[0])
            if start is None or step != 1 or size is None:
                return None
            return Counter({(size[0], 1): 1, CONSTANT: int(start)})
        case "Unsqueeze":
            inner = read_sum(node.inputs[0], written, facts, depth)
            axes = facts.const(node.inputs[1]) if len(node.inputs) > 1 else None
            shape = facts.shape(node.outputs[0])
            if inner is None or axes is None or shape is None:
                return None
            return _unsqueezed(inner, {int(a) % len(shape) for a in axes.reshape(-1)}, len(shape))
    return None


def _constant(array: np.ndarray) -> Sum | None:
    """Return one number, or positions along the only axis that is longer than 1."""
    line = array.reshape(-1)
    if not line.size:
        return None
    if line.size == 1:
        return Counter({CONSTANT: int(line[0])})
    if max(array.shape) != line.size or (np.diff(line) != 1).any():
        return None
    axis = array.ndim - array.shape.index(line.size)
    return Counter({(Dim.of(line.size), axis): 1, CONSTANT: int(line[0])})


def _unsqueezed(inner: Sum, axes: set[int], rank: int) -> Sum:
    """Return the sum with its axes where they are after new ones were put in."""
    kept = [place for place in range(rank) if place not in axes]
    moved: Sum = Counter()
    for (value, axis), count in inner.items():
        moved[value, rank - kept[-axis] if axis else 0] += count
    return moved
