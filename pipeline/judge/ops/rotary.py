"""Rotary position embedding, the standard operator and the com.microsoft one."""

from __future__ import annotations

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """Return x with pairs of its last axis turned.

    Args:
        x: [batch, heads, sequence, head]; only the first 2 * cos.shape[-1] channels turn.
        cos: [batch, sequence, rotary / 2] or anything that broadcasts to it.
        sin: Like `cos`.
        interleaved: Pairs are neighbours instead of halves.
    """
    width = 2 * cos.shape[-1]
    turned, rest = x[..., :width], x[..., width:]
    cos, sin = cos.unsqueeze(-3), sin.unsqueeze(-3)
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = turned.chunk(2, -1)
    real, imaginary = a * cos - b * sin, a * sin + b * cos
    if interleaved:
        turned = torch.stack((real, imaginary), -1).flatten(-2)
    else:
        turned = torch.cat((real, imaginary), -1)
    return turned if not rest.shape[-1] else torch.cat((turned, rest), -1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return [batch, sequence, heads * head] as [batch, heads, sequence, head]."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Return [batch, heads, sequence, head] as [batch, sequence, heads * head]."""
    return x.transpose(1, 2).flatten(2)


def rotary(op: Op) -> Kernel:
    """Return X turned by its positions; 3-D input needs num_heads (opset 23)."""
    heads, interleaved = op.get("num_heads", 0), bool(op.get("interleaved", 0))
    width = op.get("rotary_embedding_dim", 0)

    def kernel(x: Tensor, cos: Tensor, sin: Tensor, ids: Tensor | None = None) -> Tensor:
        y = split_heads(x, heads) if x.dim() == 3 else x
        half = (width or y.shape[-1]) // 2
        if ids is not None:
            cos, sin = cos[ids.long()], sin[ids.long()]
        if cos.shape[-1] != half:
            raise ValueError(f"cos has {cos.shape[-1]} channels where rotary needs {half}")
        y = rotate(y, cos, sin, interleaved)
        return merge_heads(y) if x.dim() == 3 else y

    return kernel


def contrib_rotary(op: Op) -> Kernel:
    """Return X turned; one position means a common start. `scale` is ignored, as ORT does."""
    heads, interleaved = op.get("num_heads", 0), bool(op.get("interleaved", 0))

    def kernel(x: Tensor, ids: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        if x.dim() == 4:
            y = x
        else:
            # Without num_heads the caches span the whole head.
            y = split_heads(x, heads or x.shape[-1] // (2 * cos.shape[-1]))
        at = ids.long()
        if ids.dim() == 1:
            at = (at + torch.arange(y.shape[2]))[None]
        y = rotate(y, cos[at], sin[at], interleaved)
        return merge_heads(y) if x.dim() == 3 else y

    return kernel


TABLE: Table = {
    ("", "RotaryEmbedding"): rotary,
    ("com.microsoft", "RotaryEmbedding"): contrib_rotary,
}
