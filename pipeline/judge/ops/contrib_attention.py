"""com.microsoft MultiHeadAttention and Attention, as ONNX Runtime's CPU kernels compute them.

Masks are additive: a masked key gets `mask_filter_value` (-1e4 unless set), so a fully
masked row of default fill attends by its scores. The fourth output of MultiHeadAttention
holds the scores that enter the softmax and not, as its documentation says, probabilities.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor
from pipeline.judge.ops.attention import grouped_scores, grouped_values
from pipeline.judge.ops.rotary import merge_heads, split_heads

_MS = "com.microsoft"


def padding_mask(mask: Tensor, batch: int, rows: int, total: int) -> Tensor:
    """Return where keys may be seen, for every form of mask_index and key_padding_mask.

    Args:
        mask: [batch] lengths, [2 * batch] ends and starts, [3 * batch + 2] lengths and
            cumulative ones, [batch, total], [batch, rows, total], or the square
            [batch, 1, max, max] of which the last rows count.
        batch: Batch size.
        rows: Query length.
        total: Key length, past included.
    """
    key = torch.arange(total)
    if mask.dim() == 1:
        if mask.shape[0] == 2 * batch:
            ends, starts = mask[:batch, None, None, None], mask[batch:, None, None, None]
            return (key < ends) & (key >= starts)
        return key < mask[:batch, None, None, None]
    if mask.dim() == 2:
        return (mask != 0)[:, None, None, :]
    if mask.dim() == 3:
        return (mask != 0)[:, None]
    return (mask != 0)[:, :, total - rows : total, :total]


class _Core:
    """Scores, masks and values, the same in both operators."""

    def __init__(self, op: Op) -> None:
        self.heads = op.get("num_heads")
        self._scale = op.get("scale", 0.0)
        self._fill = op.get("mask_filter_value", -10000.0)
        self._causal = bool(op.get("unidirectional", 0))

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the heads' outputs and what entered the softmax.

        Args:
            q: [batch, heads, rows, head].
            k: [batch, heads, total, head], past included; likewise `v`.
            v: See `k`.
            mask: Padding mask in any form, None for none.
            bias: Added to the scores, broadcast.
        """
        rows, total = q.shape[2], k.shape[2]
        scores = grouped_scores(q, k) * (self._scale or 1 / math.sqrt(q.shape[-1]))
        summed = scores if bias is None else scores + bias
        hidden = self._hidden(q.shape[0], rows, total, mask)
        if hidden is not None:
            summed = summed + torch.where(hidden, self._fill, 0.0).to(summed.dtype)
        if self._causal:
            future = torch.arange(total) > torch.arange(rows)[:, None] + (total - rows)
            summed = summed.masked_fill(future, torch.finfo(torch.float32).min)
        return grouped_values(torch.softmax(summed, -1), v), summed

    def _hidden(self, batch: int, rows: int, total: int, mask: Tensor | None) -> Tensor | None:
        return None if mask is None else ~padding_mask(mask, batch, rows, total)


def multi_head_attention(op: Op) -> Kernel:
    """Return the output, present key and value, and the masked scores."""
    core = _Core(op)

    def kernel(
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        attention_bias: Tensor | None = None,
        past_k: Tensor | None = None,
        past_v: Tensor | None = None,
        past_length: Tensor | None = None,
        beams: Tensor | None = None,
    ) -> Any:
        if beams is not None:
            raise ValueError("cache_indirection (beam search inside the operator) is not judged")
        q, k, v = _projected(query, key, value, bias, core.heads)
        present = None
        if past_k is not None and past_v is not None:
            if past_length is not None:
                filled = int(past_length.reshape(()).item())
                present = _written(past_k, k, filled), _written(past_v, v, filled)
                k, v = (side[:, :, : filled + k.shape[2]] for side in present)
            else:
                k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
        y, scores = core(q, k, v, mask, attention_bias)
        return merge_heads(y), *(present or (k, v)), scores

    return kernel


def _written(buffer: Tensor, new: Tensor, start: int) -> Tensor:
    out = buffer.clone()
    out[:, :, start : start + new.shape[2]] = new
    return out


def _projected(
    query: Tensor, key: Tensor | None, value: Tensor | None, bias: Tensor | None, heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k, v as [batch, heads, sequence, head] from any packing of the inputs."""
    if query.dim() == 5:
        q, k, v = (part.transpose(1, 2) for part in query.unbind(3))
    elif key is not None and key.dim() == 5:
        q = split_heads(query, heads)
        k, v = (part.transpose(1, 2) for part in key.unbind(3))
    else:
        assert key is not None, "schema: key and value come together"
        assert value is not None, "schema: key and value come together"
        q = split_heads(query, heads)
        k, v = (x if x.dim() == 4 else split_heads(x, heads) for x in (key, value))
    if bias is None:
        return q, k, v
    cached = key is not None and key.dim() == 4
    sizes = [q.shape[1] * q.shape[3], k.shape[1] * k.shape[3], v.shape[1] * v.shape[3]]
    parts = [b.reshape(heads, 1, -1) for b in torch.split(bias, sizes)]
    # Keys that come from a cache already hold their bias.
    return q + parts[0], k if cached else k + parts[1], v if cached else v + parts[2]


def packed_attention(op: Op) -> Kernel:
    """Return the output and present of Attention with its own merged projection."""
    core, sizes = _Core(op), op.get("qkv_hidden_sizes")
    if op.get("do_rotary", 0):
        raise ValueError("do_rotary inside com.microsoft Attention is not judged")

    def kernel(
        x: Tensor,
        weights: Tensor,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        past: Tensor | None = None,
        attention_bias: Tensor | None = None,
        past_length: Tensor | None = None,
    ) -> Any:
        if past_length is not None:
            raise ValueError("past_present_share_buffer of com.microsoft Attention is not judged")
        projected = torch.matmul(x, weights)
        projected = projected if bias is None else projected + bias
        widths = list(sizes) if sizes else [weights.shape[1] // 3] * 3
        q, k, v = (split_heads(p, core.heads) for p in torch.split(projected, widths, -1))
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        y, _ = core(q, k, v, mask, attention_bias)
        present = torch.stack((k, v)) if op.wants(1) else None
        return merge_heads(y), present

    return kernel


TABLE: Table = {
    (_MS, "MultiHeadAttention"): multi_head_attention,
    (_MS, "Attention"): packed_attention,
}
