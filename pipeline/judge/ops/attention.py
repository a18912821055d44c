"""ai.onnx Attention of opsets 23, 24 and 25, after its specification.

A row whose every key is masked out with -inf or False yields zeros, as the specification
says; ONNX Runtime also yields zeros where the mask is the type's lowest value, the judge
yields there what adding that value gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor
from pipeline.judge.ops.rotary import merge_heads, split_heads


def attention(op: Op) -> Kernel:
    """Return Y, present key, present value and the scores of the stage asked for."""
    q_heads, kv_heads = op.get("q_num_heads"), op.get("kv_num_heads")
    scale, cap = op.get("scale"), op.get("softcap", 0.0)
    stage = op.get("qk_matmul_output_mode", 0)

    def kernel(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        past_k: Tensor | None = None,
        past_v: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Any:
        flat = q.dim() == 3
        if flat:
            q, k, v = split_heads(q, q_heads), split_heads(k, kv_heads), split_heads(v, kv_heads)
        past = 0 if past_k is None else past_k.shape[2]
        if past_k is not None and past_v is not None:
            k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
        factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
        scores = [grouped_scores(q, k) * factor]
        scores.append(cap * torch.tanh(scores[0] / cap) if cap else scores[0])
        bias = _bias(op, scores[0], mask, past, lengths)
        scores.append(scores[1] if bias is None else scores[1] + bias)
        weights = torch.softmax(scores[2], -1)
        if bias is not None:
            # Decided on the bias: a masked row may hold NaN scores.
            empty = (bias == float("-inf")).all(-1, keepdim=True)
            weights = torch.where(empty, torch.zeros((), dtype=weights.dtype), weights)
        scores.append(weights)
        y = grouped_values(weights, v)
        return (merge_heads(y) if flat else y), k, v, scores[stage]

    return kernel


def grouped_scores(q: Tensor, k: Tensor) -> Tensor:
    """Return q k^T; each group of query heads shares one key head."""
    batch, heads, rows, head = q.shape
    groups = heads // k.shape[1]
    if groups == 1:
        return torch.matmul(q, k.transpose(-1, -2))
    # The groups of one key head become rows of one product, so that K is never repeated.
    folded = q.reshape(batch, k.shape[1], groups * rows, head)
    return torch.matmul(folded, k.transpose(-1, -2)).reshape(batch, heads, rows, k.shape[2])


def grouped_values(weights: Tensor, v: Tensor) -> Tensor:
    """Return weights v; each group of query heads shares one value head."""
    batch, heads, rows, total = weights.shape
    groups = heads // v.shape[1]
    if groups == 1:
        return torch.matmul(weights, v)
    folded = weights.reshape(batch, v.shape[1], groups * rows, total)
    return torch.matmul(folded, v).reshape(batch, heads, rows, v.shape[3])


def _bias(
    op: Op, scores: Tensor, mask: Tensor | None, past: int, lengths: Tensor | None
) -> Tensor | None:
    """Return what is added to the scores, in their type, None where nothing is."""
    rows, total = scores.shape[-2:]
    bias = None
    if mask is not None:
        bias = additive(mask, scores.dtype)
        if bias.shape[-1] < total:
            missing = total - bias.shape[-1]
            bias = torch.nn.functional.pad(bias, (0, missing), value=float("-inf"))
        # A mask of lower rank keeps its right-aligned broadcasting once it is expanded.
        bias = bias.expand(np.broadcast_shapes(tuple(bias.shape), tuple(scores.shape)))
    seen = _visible(op, rows, total, past, lengths)
    if seen is None:
        return bias
    hidden = additive(seen, scores.dtype)
    return hidden.expand(scores.shape) if bias is None else bias + hidden


def _visible(op: Op, rows: int, total: int, past: int, lengths: Tensor | None) -> Tensor | None:
    """Return the keys each query may see by causality, window and length; None for all."""
    key = torch.arange(total)
    offset = torch.tensor(past) if lengths is None else lengths.reshape(-1, 1, 1, 1) - rows
    query = torch.arange(rows)[:, None] + offset
    left, right = op.get("left_window_size", -1), op.get("right_window_size", -1)
    rules = []
    if op.get("is_causal", 0):
        rules.append(key <= query)
    if left >= 0:
        rules.append(key >= query - left)
    if right >= 0:
        rules.append(key <= query + right)
    if lengths is not None:
        rules.append(key < lengths.reshape(-1, 1, 1, 1))
    if not rules:
        return None
    seen = rules[0]
    for rule in rules[1:]:
        seen = seen & rule
    return seen


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as something to add: booleans become 0 where True and -inf where False."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    nothing, out = torch.zeros((), dtype=dtype), torch.full((), float("-inf"), dtype=dtype)
    return torch.where(mask, nothing, out)


TABLE: Table = {("", "Attention"): attention}
