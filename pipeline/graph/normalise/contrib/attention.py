"""Attention of com.microsoft written out: projections, scores, masks, softmax, values.

    MultiHeadAttention(q, k, v, ...)  ->  merge(softmax(scale * Q K^T + bias + mask) V)
    Attention(x, w, b, ...)           ->  the same of q, k, v = split(x w + b)

Masked keys get `mask_filter_value` added, as ONNX Runtime's CPU kernels do; what comes later than
a query in a causal one gets the lowest number. Source: ContribOperators.md and attention_helper.h
of ONNX Runtime. Exact: same numbers up to rounding.

Left as they are: masks as ends and starts, beams inside the operator, rotations inside, and
caches in a buffer of fixed size.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.contrib.operator import Operator, count, grown, heads_apart
from pipeline.graph.normalise.contrib.writer import (
    MS,
    Made,
    Writer,
    given,
    graph_of,
    scalar_like,
    size_of,
)  # fmt: skip
from pipeline.graph.normalise.draft import Draft


def _multi_head(draft: Draft, node: ir.Node) -> Made | None:
    op = Operator(draft, node)
    q, k, v, bias = (given(node, i) for i in range(4))
    beyond = [given(node, i) for i in (8, 9)]
    if any(x is not None for x in beyond) or op.rank(q) != 3 or k is None or v is None:
        return None
    if op.rank(k) not in (3, 4) or op.rank(k) != op.rank(v):
        return None
    cached = op.rank(k) == 4  # keys that come from another cache hold their bias already
    widths = [op.width(q), op.width(k), op.width(v)]
    widths = [w * op.heads if w and cached and i else w for i, w in enumerate(widths)]
    if not op.heads or any(w is None for w in widths):
        return None
    sizes = [w for w in widths if w is not None]
    parts: list[ir.Value | None] = [q, k, v]
    if bias is not None:
        parts = _biased(op, parts, bias, sizes, cached=cached)
    query = heads_apart(op, parts[0], op.heads, sizes[0] // op.heads)
    new = (
        parts[1:]
        if cached
        else [heads_apart(op, x, op.heads, sizes[i] // op.heads) for i, x in enumerate(parts) if i]
    )
    key, value = grown(op, new[0], given(node, 6)), grown(op, new[1], given(node, 7))
    return _attended(op, query, key, value, given(node, 4), given(node, 5), sizes)


def _packed(draft: Draft, node: ir.Node) -> Made | None:
    op = Operator(draft, node)
    x, weights, bias, mask, past, extra, length = (given(node, i) for i in range(7))
    if length is not None or op.rank(x) != 3 or node.attributes.get_int("do_rotary", 0) != 0:
        return None
    whole = op.width(weights)
    if whole is None or not op.heads:
        return None
    given_sizes = node.attributes.get("qkv_hidden_sizes")
    sizes = [int(n) for n in given_sizes.as_ints()] if given_sizes else [whole // 3] * 3
    projected = op.put("MatMul", x, weights)
    if bias is not None:
        projected = op.put("Add", projected, bias)
    starts = np.cumsum([0, *sizes]).tolist()
    parts = [
        op.put("Slice", projected, op.ints(a), op.ints(b), op.ints(2)) for a, b in pairwise(starts)
    ]
    q, k, v = (
        heads_apart(op, part, op.heads, size // op.heads)
        for part, size in zip(parts, sizes, strict=True)
    )
    if past is not None:
        index = [draft.constant(graph_of(node), np.array(side, np.int64)) for side in (0, 1)]
        old = [op.put("Gather", past, each, axis=0) for each in index]
        k, v = grown(op, k, old[0]), grown(op, v, old[1])
    made = _attended(op, q, k, v, mask, extra, sizes)
    if made is None:
        return None
    first = [op.put("Unsqueeze", side, op.ints(0)) for side in (k, v)]
    return {0: made[0], 1: op.put("Concat", *first, axis=0)}


def _attended(
    op: Operator,
    q: ir.Value | None,
    k: ir.Value,
    v: ir.Value,
    mask: ir.Value | None,
    bias: ir.Value | None,
    sizes: list[int],
) -> Made | None:
    """Return output, keys, values and scores of heads [batch, heads, length, size]."""
    attributes = op.node.attributes
    scale = attributes.get_float("scale", 0.0) or 1 / math.sqrt(sizes[0] // op.heads)
    scaled = op.put("Mul", q, scalar_like(op.draft, op.node, scale, k))
    scores = op.put("MatMul", scaled, op.put("Transpose", k, perm=[0, 1, 3, 2]))
    if bias is not None:
        scores = op.put("Add", scores, bias)
    if mask is not None:
        seen = _seen(op, mask, q, k)
        if seen is None:
            return None
        fill = scalar_like(op.draft, op.node, attributes.get_float("mask_filter_value", -1e4), k)
        zero = scalar_like(op.draft, op.node, 0.0, k)
        scores = op.put("Add", scores, op.put("Where", seen, zero, fill))
    if attributes.get_int("unidirectional", 0):
        dtype = op.draft.facts.dtype(k) or ir.DataType.FLOAT
        lowest = float(np.finfo(np.float16 if dtype == ir.DataType.FLOAT16 else np.float32).min)
        low = scalar_like(op.draft, op.node, lowest, k)
        scores = op.put("Where", _past(op, q, k), scores, low)
    y = op.put("MatMul", op.put("Softmax", scores, axis=-1), v)
    merged = op.put("Reshape", op.put("Transpose", y, perm=[0, 2, 1, 3]), op.ints(0, 0, sizes[2]))
    return {0: merged, 1: k, 2: v, 3: scores}


def _seen(op: Operator, mask: ir.Value, q: ir.Value | None, k: ir.Value) -> ir.Value | None:
    """Return where keys may be seen, [batch, 1, 1 or rows, total]; None of a form not written."""
    rank = op.rank(mask)
    if rank in (2, 3):
        axes = op.ints(1, 2) if rank == 2 else op.ints(1)
        return op.put("Unsqueeze", op.put("Cast", mask, to=int(ir.DataType.BOOL)), axes)
    lengths, queries = op.draft.facts.shape(mask), op.draft.facts.shape(q)
    if rank != 1 or lengths is None or queries is None or lengths[0] != queries[0]:
        return None
    counted = op.put("Cast", count(op, k, 2), to=int(ir.DataType.INT32))
    rows = op.put("Cast", op.put("Unsqueeze", mask, op.ints(1, 2, 3)), to=int(ir.DataType.INT32))
    return op.put("Less", counted, rows)


def _past(op: Operator, q: ir.Value | None, k: ir.Value) -> ir.Value:
    """Return where a key is not later than the query, [rows, total]."""
    assert q is not None
    rows, total = size_of(op.draft, op.node, q, 2), size_of(op.draft, op.node, k, 2)
    column = op.put("Unsqueeze", count(op, q, 2), op.ints(1))
    last = op.put("Add", column, op.put("Sub", total, rows))
    return op.put("LessOrEqual", count(op, k, 2), last)


def _biased(
    op: Operator, parts: list[ir.Value | None], bias: ir.Value, sizes: list[int], *, cached: bool
) -> list[ir.Value | None]:
    """Return the projections with their share of the one bias added."""
    starts = np.cumsum([0, *sizes]).tolist()
    made: list[ir.Value | None] = []
    for index, (part, (a, b)) in enumerate(zip(parts, pairwise(starts), strict=True)):
        if index and cached:
            made.append(part)
            continue
        share = op.put("Slice", bias, op.ints(a), op.ints(b), op.ints(0))
        made.append(op.put("Add", part, share))
    return made


ATTENTIONS: dict[tuple[str, str], Writer] = {
    (MS, "MultiHeadAttention"): Writer(13, _multi_head),
    (MS, "Attention"): Writer(13, _packed),
}
