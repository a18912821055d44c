"""The standard Attention written out where a target takes its plain form alone.

    Attention(q, k, v, mask, past)  ->  softmax(cap(scale * Q [past, K]^T) + mask) [past, V]

with causality, windows and lengths as masks, rows that see nothing as zeros, present keys and
values as concatenations, and the scores of the stage asked for as the fourth output. Source:
Attention of ai.onnx, opsets 23 to 25. Exact: same numbers up to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.normalise.contrib.operator import (
    Operator,
    count,
    grown,
    heads_apart,
    repeated_heads,
)
from pipeline.graph.normalise.contrib.writer import Made, Writer, given, scalar_like, size_of
from pipeline.graph.normalise.draft import Draft


@dataclass(frozen=True)
class _Side:
    """Queries, keys or values: how many heads of which size, and whether they come flat."""

    heads: int
    size: int
    flat: bool


def _attention(draft: Draft, node: ir.Node) -> Made | None:
    op = Operator(draft, node)
    sides = [side for side in (_side(op, i) for i in range(3)) if side is not None]
    if _is_plain(op) or len(sides) < 3:
        return None
    q, k, v = (
        heads_apart(op, given(node, i), side.heads, side.size) if side.flat else given(node, i)
        for i, side in enumerate(sides)
    )
    k, v = grown(op, k, given(node, 4)), grown(op, v, given(node, 5))
    groups = sides[0].heads // sides[1].heads
    key, value = (
        repeated_heads(op, x, side.heads, groups, side.size)
        for x, side in zip((k, v), sides[1:], strict=True)
    )
    scale = node.attributes.get_float("scale", 1 / math.sqrt(sides[0].size))
    made = _stages(op, op.put("Mul", q, scalar_like(draft, node, scale, k)), key)
    if made is None:
        return None
    y = op.put("MatMul", made[3], value)
    if sides[0].flat:
        width = sides[0].heads * sides[2].size
        y = op.put("Reshape", op.put("Transpose", y, perm=[0, 2, 1, 3]), op.ints(0, 0, width))
    return {0: y, 1: k, 2: v, 3: made[node.attributes.get_int("qk_matmul_output_mode", 0)]}


def _is_plain(op: Operator) -> bool:
    """Return whether the node is the form every target takes: one output, no past, one mask.

    Inside a branch or a loop none is: TensorRT's builder fails on an Attention there.
    """
    node, attributes = op.node, op.node.attributes
    if node.graph is not op.draft.model.graph:
        return False
    if any(out.uses() or out.is_graph_output() for out in node.outputs[1:]):
        return False
    if any(given(node, i) is not None for i in (4, 5, 6)):
        return False
    if attributes.get_float("softcap", 0.0) != 0.0:
        return False
    if any(attributes.get_int(f"{side}_window_size", -1) >= 0 for side in ("left", "right")):
        return False
    return not (attributes.get_int("is_causal", 0) and given(node, 3) is not None)


def _side(op: Operator, index: int) -> _Side | None:
    """Return how one operand is divided, None where a size of it is not a known number."""
    shape = op.draft.facts.shape(given(op.node, index))
    if shape is None or len(shape) not in (3, 4) or shape[-1].const is None:
        return None
    if len(shape) == 4:
        heads = shape[1].const
        return None if heads is None else _Side(heads, shape[-1].const, flat=False)
    heads = op.node.attributes.get_int("q_num_heads" if index == 0 else "kv_num_heads", 0)
    return _Side(heads, shape[-1].const // heads, flat=True) if heads else None


def _stages(op: Operator, q: ir.Value, k: ir.Value) -> list[ir.Value] | None:
    """Return scores, capped, masked, and probabilities; None for a mask of unknown rank."""
    scores = op.put("MatMul", q, op.put("Transpose", k, perm=[0, 1, 3, 2]))
    cap = op.node.attributes.get_float("softcap", 0.0)
    capped = scores
    if cap:
        number = scalar_like(op.draft, op.node, cap, k)
        capped = op.put("Mul", op.put("Tanh", op.put("Div", scores, number)), number)
    masks = _masks(op, q, k)
    if masks is None:
        return None
    masked = capped
    for mask in masks:
        masked = op.put("Add", masked, mask)
    weights = op.put("Softmax", masked, axis=-1)
    if masks:
        zero = scalar_like(op.draft, op.node, 0.0, k)
        weights = op.put("Where", op.put("IsNaN", weights), zero, weights)
    return [scores, capped, masked, weights]


def _masks(op: Operator, q: ir.Value, k: ir.Value) -> list[ir.Value] | None:
    """Return what is added to the scores; None where the rank of the mask is not known."""
    mask, facts = given(op.node, 3), op.draft.facts
    found: list[ir.Value] = []
    if mask is not None:
        shape, keys = facts.shape(mask), facts.shape(k)
        if not shape:
            return None
        mask = _added(op, mask, k) if facts.dtype(mask) == ir.DataType.BOOL else mask
        same = keys is not None and shape[-1] == keys[2]
        found.append(mask if same else _lengthened(op, mask, k, len(shape)))
    seen = _visible(op, q, k)
    return found if seen is None else [*found, _added(op, seen, k)]


def _lengthened(op: Operator, mask: ir.Value, k: ir.Value, rank: int) -> ir.Value:
    """Return a mask as long as the keys: those it says nothing of are hidden, as specified."""
    have, total = (size_of(op.draft, op.node, x, axis) for x, axis in ((mask, rank - 1), (k, 2)))
    none = op.ints(*[0] * (2 * rank - 1))
    pads = op.put("Concat", none, op.put("Sub", total, have), axis=0)
    return op.put("Pad", mask, pads, scalar_like(op.draft, op.node, -math.inf, k))


def _added(op: Operator, seen: ir.Value, like: ir.Value) -> ir.Value:
    zero = scalar_like(op.draft, op.node, 0.0, like)
    hidden = scalar_like(op.draft, op.node, -math.inf, like)
    return op.put("Where", seen, zero, hidden)


def _visible(op: Operator, q: ir.Value, k: ir.Value) -> ir.Value | None:
    """Return the keys each query may see by causality, windows and lengths; None for all."""
    attributes, lengths, past = op.node.attributes, given(op.node, 6), given(op.node, 4)
    left, right = (attributes.get_int(f"{side}_window_size", -1) for side in ("left", "right"))
    key, rows = count(op, k, 2), size_of(op.draft, op.node, q, 2)
    query = op.put("Unsqueeze", count(op, q, 2), op.ints(1))
    long = None if lengths is None else op.put("Unsqueeze", lengths, op.ints(1, 2, 3))
    if long is not None:
        query = op.put("Add", query, op.put("Sub", long, rows))
    elif past is not None:
        query = op.put("Add", query, size_of(op.draft, op.node, past, 2))
    rules = []
    if attributes.get_int("is_causal", 0):
        rules.append(op.put("LessOrEqual", key, query))
    if left >= 0:
        rules.append(op.put("GreaterOrEqual", key, op.put("Sub", query, op.ints(left))))
    if right >= 0:
        rules.append(op.put("LessOrEqual", key, op.put("Add", query, op.ints(right))))
    if long is not None:
        rules.append(op.put("Less", key, long))
    seen = rules[0] if rules else None
    for rule in rules[1:]:
        seen = op.put("And", seen, rule)
    return seen


STANDARD: dict[tuple[str, str], Writer] = {("", "Attention"): Writer(23, _attention)}
