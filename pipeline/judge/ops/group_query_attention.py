"""com.microsoft GroupQueryAttention, as ONNX Runtime's CPU kernel computes it.

Rows of right padding are unspecified by the operator: here they are what the formula gives.
A fully masked row yields zeros under causal=1, NaN under causal=0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor
from pipeline.judge.ops.attention import grouped_scores, grouped_values
from pipeline.judge.ops.norm import rms
from pipeline.judge.ops.rotary import merge_heads, rotate, split_heads


class _Inputs(NamedTuple):
    """The operator's inputs in order."""

    query: Tensor
    key: Tensor | None = None
    value: Tensor | None = None
    past_key: Tensor | None = None
    past_value: Tensor | None = None
    seqlens: Tensor | None = None
    total_length: Tensor | None = None
    cos: Tensor | None = None
    sin: Tensor | None = None
    position_ids: Tensor | None = None
    bias: Tensor | None = None
    sink: Tensor | None = None
    key_scale: Tensor | None = None
    value_scale: Tensor | None = None
    query_norm: Tensor | None = None
    key_norm: Tensor | None = None
    query_lengths: Tensor | None = None


def group_query_attention(op: Op) -> Kernel:
    """Return the output, present key, present value and the scores asked for."""
    if op.get("k_quant_type", "NONE") != "NONE" or op.get("sliding_window_cache", 0):
        raise ValueError("quantized and window-sized caches are not judged")

    def kernel(*inputs: Any) -> Any:
        given = _Inputs(*inputs)
        assert given.seqlens is not None, "schema: required"
        assert given.total_length is not None, "schema: required"
        q, k, v = _heads(op, given)
        rows, limit = q.shape[2], int(given.total_length.reshape(()).item())
        totals = given.seqlens.reshape(-1).long() + 1
        first_prompt = given.query_lengths is None and limit == rows
        new = rows if given.query_lengths is None else given.query_lengths.long()
        # In a first prompt shorter rows are right-padded: their tokens still start at 0.
        starts = torch.zeros_like(totals) if first_prompt else (totals - new).clamp(min=0)
        q, k = _turned(op, given, q, k, starts, first_prompt)
        one_buffer = given.query_lengths is not None  # what stands behind the tokens stays
        present_k = _appended(given.past_key, k, starts, limit, one_buffer)
        present_v = _appended(given.past_value, v, starts, limit, one_buffer)
        total = min(limit, present_k.shape[2])
        keys, values = present_k[:, :, :total], present_v[:, :, :total]
        y, scores = _attend(op, q, keys, values, starts, totals, given)
        return merge_heads(y), present_k, present_v, scores

    return kernel


def _turned(
    op: Op, given: _Inputs, q: Tensor, k: Tensor, starts: Tensor, first_prompt: bool
) -> tuple[Tensor, Tensor]:
    """Return query and key turned by their positions where the node does so."""
    if not op.get("do_rotary", 0) or given.cos is None or given.sin is None:
        return q, k
    at = _positions(given.position_ids, starts, q.shape[2], first_prompt, given.cos.shape[0])
    cos, sin, pairs = given.cos[at], given.sin[at], bool(op.get("rotary_interleaved", 0))
    return rotate(q, cos, sin, pairs), rotate(k, cos, sin, pairs)


def _heads(op: Op, given: _Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k, v as [batch, heads, sequence, head], normalised where weights are given."""
    heads, kv_heads = op.get("num_heads"), op.get("kv_num_heads")
    query, key, value = given.query, given.key, given.value
    if key is None or value is None:
        head = query.shape[-1] // (heads + 2 * kv_heads)
        widths = [heads * head, kv_heads * head, kv_heads * head]
        query, key, value = torch.split(query, widths, -1)
    q, k, v = split_heads(query, heads), split_heads(key, kv_heads), split_heads(value, kv_heads)
    if given.query_norm is not None and given.key_norm is not None:
        epsilon = op.get("qk_norm_epsilon", 1e-6)
        q = rms(q, [-1], op.get("q_norm_epsilon", epsilon))[0] * given.query_norm
        k = rms(k, [-1], op.get("k_norm_epsilon", epsilon))[0] * given.key_norm
    return q, k, v


def _positions(
    given: Tensor | None, starts: Tensor, rows: int, first_prompt: bool, table: int
) -> Tensor:
    """Return [batch, rows] positions: in a first prompt only the first given one counts."""
    step = torch.arange(rows)
    if given is None:
        at = starts[:, None] + step
    elif first_prompt and rows > 1:
        at = given.long()[:, :1] + step
    else:
        at = given.long()
    # Padding rows may run past the table; their values are unspecified anyway.
    return at.clamp(max=table - 1)


def _appended(
    past: Tensor | None, new: Tensor, starts: Tensor, limit: int, one_buffer: bool
) -> Tensor:
    """Return the cache with the new tokens at each row's position, zeros behind them."""
    capacity = 0 if past is None else past.shape[2]
    out = new.new_zeros((new.shape[0], new.shape[1], max(capacity, limit), new.shape[3]))
    for row, start in enumerate(starts.tolist()):
        if past is not None:
            kept = capacity if one_buffer else min(start, capacity)
            out[row, :, :kept] = past[row, :, :kept]
        room = min(new.shape[2], out.shape[2] - start)
        out[row, :, start : start + room] = new[row, :, :room]
    return out


def _attend(
    op: Op,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    starts: Tensor,
    totals: Tensor,
    given: _Inputs,
) -> tuple[Tensor, Tensor]:
    rows, total = q.shape[2], k.shape[2]
    cap, window = op.get("softcap", 0.0), op.get("local_window_size", -1)
    scores = grouped_scores(q, k) * (op.get("scale", 0.0) or 1 / math.sqrt(q.shape[-1]))
    raw = scores
    scores = cap * torch.tanh(scores / cap) if cap else scores
    scores = scores if given.bias is None else scores + given.bias
    key = torch.arange(total)
    query = starts[:, None, None, None] + torch.arange(rows)[:, None]
    causal = bool(op.get("causal", 1))
    seen = key <= query if causal else key < totals[:, None, None, None]
    if window >= 0:
        seen = seen & (key > query - window)
    scores = scores.masked_fill(~seen, float("-inf"))
    weights = _softmax(scores, op, given.sink)
    if causal:
        empty = (scores == float("-inf")).all(-1, keepdim=True)
        weights = weights.masked_fill(empty, 0.0)
    shown = weights if op.get("qk_output", 0) == 2 else raw.masked_fill(~seen, 0.0)
    return grouped_values(weights, v), shown


def _softmax(scores: Tensor, op: Op, sink: Tensor | None) -> Tensor:
    """Return the softmax, with a further score per head that takes weight but has no value."""
    if sink is None and not op.get("smooth_softmax", 0):
        return torch.softmax(scores, -1)
    extra = torch.zeros(scores.shape[1], dtype=scores.dtype) if sink is None else sink
    column = extra.reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    return torch.softmax(torch.cat((scores, column), -1), -1)[..., :-1]


TABLE: Table = {("com.microsoft", "GroupQueryAttention"): group_query_attention}
