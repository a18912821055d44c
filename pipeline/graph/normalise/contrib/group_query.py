"""GroupQueryAttention of com.microsoft written out: rotation, cache, mask, softmax, values.

    GroupQueryAttention(q, k, v, past, ends, total)  ->  softmax(scale * Q K^T + mask) V
        K = the cache with each row's new keys behind the tokens that it has, then zeros

Row b has ends[b] + 1 tokens after the step. Its new ones stand behind those from before, whether
the cache grows or is a buffer with room; query s sees every key up to its own position, of a
window the last. Source: ContribOperators.md of ONNX Runtime. Exact: same numbers up to rounding,
but for queries that are padding, which the operator leaves open.

Left as they are: quantised and window-sized caches, norms inside, and positions or lengths of new
tokens as inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.contrib.operator import (
    Operator,
    count,
    counted,
    heads_apart,
    repeated_heads,
)
from pipeline.graph.normalise.contrib.writer import (
    MS,
    Made,
    Writer,
    given,
    graph_of,
    scalar_like,
    size_of,
)
from pipeline.graph.normalise.draft import Draft

_PAST, _ENDS, _TOTAL, _TABLES, _BIAS, _SINK = (3, 4), 5, 6, (7, 8), 10, 11
_LEFT = (9, 12, 13, 14, 15, 16)  # positions, scales, norms, lengths of new tokens


@dataclass(frozen=True)
class _Step:
    """One node: its operator and sizes, and how many tokens each row has, [batch].

    Attributes:
        totals: After the step.
        before: Before it.
        written: Where its new tokens end, padding of a short prompt among them.
    """

    op: Operator
    heads: int
    shared: int
    size: int
    totals: ir.Value
    before: ir.Value
    written: ir.Value


def _group_query(draft: Draft, node: ir.Node) -> Made | None:
    op = Operator(draft, node)
    heads, shared = op.heads, node.attributes.get_int("kv_num_heads", 0)
    packed = given(node, 1) is None
    width = op.width(given(node, 0))
    if not heads or not shared or not width or _is_special(node):
        return None
    size = width // (heads + 2 * shared) if packed else width // heads
    parts = _apart(op, heads, shared, size) if packed else [given(node, i) for i in range(3)]
    q, k, v = (
        heads_apart(op, part, n, size)
        for part, n in zip(parts, (heads, shared, shared), strict=True)
    )
    step = _Step(op, heads, shared, size, *_lengths(op, q))
    if node.attributes.get_int("do_rotary", 0):
        turned = [_turned(step, x) for x in (q, k)]
        if turned[0] is None or turned[1] is None:
            return None
        q, k = turned[0], turned[1]
    past = [given(node, i) for i in _PAST]
    k, v = (_written(step, old, new) for old, new in zip(past, (k, v), strict=True))
    return {0: _attended(step, q, k, v), 1: k, 2: v}


def _is_special(node: ir.Node) -> bool:
    """Return whether the node has a form that is left as it is."""
    attributes = node.attributes
    if any(given(node, i) is not None for i in _LEFT):
        return True
    if given(node, _BIAS) is not None and given(node, _PAST[0]) is not None:
        return True  # as long as the tokens are, which a buffer is not
    quantised = any(attributes.get_string(f"{x}_quant_type", "NONE") != "NONE" for x in "kv")
    asked = ("sliding_window_cache", "smooth_softmax", "qk_output")
    return quantised or any(attributes.get_int(name, 0) for name in asked)


def _apart(op: Operator, heads: int, shared: int, size: int) -> list[ir.Value | None]:
    """Return queries, keys and values of one packed projection."""
    ends = np.cumsum([0, heads * size, shared * size, shared * size]).tolist()
    whole = given(op.node, 0)
    return [op.put("Slice", whole, op.ints(a), op.ints(b), op.ints(2)) for a, b in pairwise(ends)]


def _lengths(op: Operator, q: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return `totals`, `before` and `written` of a step, [batch] each."""
    ends = op.put("Cast", given(op.node, _ENDS), to=int(ir.DataType.INT64))
    totals = op.put("Add", op.put("Reshape", ends, op.ints(-1)), op.ints(1))
    rows = size_of(op.draft, op.node, q, 2)
    before = op.put("Max", op.put("Sub", totals, rows), op.ints(0))  # prompts may be padded
    return totals, before, op.put("Add", before, rows)


def _turned(step: _Step, x: ir.Value) -> ir.Value | None:
    """Return queries or keys turned by their positions; None without tables of known size."""
    op = step.op
    tables = [given(op.node, i) for i in _TABLES]
    half = op.width(tables[0])
    if half is None or tables[1] is None:
        return None
    places = op.put("Add", op.put("Unsqueeze", step.before, op.ints(1)), count(op, x, 2))
    return op.put(
        "RotaryEmbedding",
        x,
        *tables,
        places,
        interleaved=op.node.attributes.get_int("rotary_interleaved", 0),
        rotary_embedding_dim=0 if 2 * half == step.size else 2 * half,
    )


def _written(step: _Step, past: ir.Value | None, new: ir.Value) -> ir.Value:
    """Return the cache with each row's new tokens behind those that it has, then zeros.

    Both are joined, with a row of zeros, and every position is then looked up: a row that holds
    less than the longest has its new tokens earlier.
    """
    if past is None:
        return new
    op = step.op
    joined = op.put("Concat", past, new, axis=2)
    have, both = (size_of(op.draft, op.node, x, 2) for x in (past, joined))
    total = op.put("Cast", given(op.node, _TOTAL), to=int(ir.DataType.INT64))
    place = counted(op, op.put("Max", have, op.put("Reshape", total, op.ints(1))))
    start, end = (op.put("Unsqueeze", x, op.ints(1)) for x in (step.before, step.written))
    moved = op.put("Add", place, op.put("Sub", have, start))
    behind = op.put("Where", op.put("Less", place, end), moved, both)
    held = op.put("Min", place, both)  # a total that past and new don't add up to gets zeros
    source = op.put("Where", op.put("Less", place, start), held, behind)
    padded = op.put("Pad", joined, op.ints(0, 0, 0, 0, 0, 0, 1, 0))
    flat = op.put("Reshape", padded, op.ints(-1, step.size))
    rows = op.put("Add", _firsts(step, past, padded), op.put("Unsqueeze", source, op.ints(1)))
    return op.put("Gather", flat, rows, axis=0)


def _firsts(step: _Step, past: ir.Value, padded: ir.Value) -> ir.Value:
    """Return where each row's heads begin once batch, heads and length are one, [b, heads, 1]."""
    op = step.op
    batch = op.put("Unsqueeze", count(op, past, 0), op.ints(1, 2))
    head = np.arange(step.shared, dtype=np.int64)[:, None]
    index = op.put("Mul", batch, op.ints(step.shared))
    index = op.put("Add", index, op.draft.constant(graph_of(op.node), head))
    return op.put("Mul", index, size_of(op.draft, op.node, padded, 2))


def _attended(step: _Step, q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
    """Return the attention's output, [batch, rows, heads * size]."""
    op, attributes = step.op, step.op.node.attributes
    groups = step.heads // step.shared
    keys, values = (repeated_heads(op, x, step.shared, groups, step.size) for x in (k, v))
    scale = attributes.get_float("scale", 0.0) or 1 / math.sqrt(step.size)
    scaled = op.put("Mul", q, scalar_like(op.draft, op.node, scale, k))
    scores = op.put("MatMul", scaled, op.put("Transpose", keys, perm=[0, 1, 3, 2]))
    cap = attributes.get_float("softcap", 0.0)
    if cap:
        number = scalar_like(op.draft, op.node, cap, k)
        scores = op.put("Mul", op.put("Tanh", op.put("Div", scores, number)), number)
    bias = given(op.node, _BIAS)
    if bias is not None:
        scores = op.put("Add", scores, bias)
    zero, hidden = (scalar_like(op.draft, op.node, x, k) for x in (0.0, -math.inf))
    scores = op.put("Add", scores, op.put("Where", _seen(step, q, k), zero, hidden))
    y = op.put("MatMul", _softmax(step, scores, q), values)
    return op.put(
        "Reshape", op.put("Transpose", y, perm=[0, 2, 1, 3]), op.ints(0, 0, step.heads * step.size)
    )


def _seen(step: _Step, q: ir.Value, k: ir.Value) -> ir.Value:
    """Return where a query sees a key, [batch, 1, rows or 1, keys]."""
    op, attributes = step.op, step.op.node.attributes
    key = count(op, k, 2)
    if not attributes.get_int("causal", 1):
        return op.put("Less", key, op.put("Unsqueeze", step.totals, op.ints(1, 2, 3)))
    start = op.put("Unsqueeze", step.before, op.ints(1, 2, 3))
    query = op.put("Add", start, op.put("Unsqueeze", count(op, q, 2), op.ints(1)))
    seen = op.put("LessOrEqual", key, query)
    window = attributes.get_int("local_window_size", -1)
    if window < 0:
        return seen
    return op.put("And", seen, op.put("Greater", key, op.put("Sub", query, op.ints(window))))


def _softmax(step: _Step, scores: ir.Value, q: ir.Value) -> ir.Value:
    """Return the probabilities, less what a sink takes where there is one."""
    op, sink = step.op, given(step.op.node, _SINK)
    if sink is None:
        return op.put("Softmax", scores, axis=-1)
    batch, rows = (size_of(op.draft, op.node, q, axis) for axis in (0, 2))
    shape = op.put("Concat", batch, op.ints(step.heads), rows, op.ints(1), axis=0)
    column = op.put("Expand", op.put("Reshape", sink, op.ints(1, -1, 1, 1)), shape)
    weights = op.put("Softmax", op.put("Concat", scores, column, axis=-1), axis=-1)
    return op.put("Slice", weights, op.ints(0), op.ints(-1), op.ints(3))


GROUP_QUERY: dict[tuple[str, str], Writer] = {
    (MS, "GroupQueryAttention"): Writer(23, _group_query),
}
