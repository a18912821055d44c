"""Normalisations, standard and com.microsoft. Statistics are computed at full width."""

from __future__ import annotations

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor

_MS = "com.microsoft"


def standardise(x: Tensor, axes: list[int], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (x - mean) / std with the mean and 1 / std, kept dims."""
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    inverse = torch.rsqrt((centred * centred).mean(axes, keepdim=True) + epsilon)
    return centred * inverse, mean, inverse


def rms(x: Tensor, axes: list[int], epsilon: float) -> tuple[Tensor, Tensor]:
    """Return x over its root mean square, and the inverse of that, kept dims."""
    inverse = torch.rsqrt((x * x).mean(axes, keepdim=True) + epsilon)
    return x * inverse, inverse


def _scaled(y: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    if scale is not None:
        y = y * scale
    return y if bias is None else y + bias


def layer_norm(op: Op) -> Kernel:
    """Return Y, Mean and InvStdDev over the axes from `axis` on."""
    axis, epsilon = op.get("axis", -1), op.get("epsilon", 1e-5)

    def kernel(x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> object:
        y, mean, inverse = standardise(x, list(range(axis % x.dim(), x.dim())), epsilon)
        return _scaled(y, scale, bias), mean, inverse

    return kernel


def rms_norm(op: Op) -> Kernel:
    """Return Y, and 1 / rms for the form that declares it, over the axes from `axis` on."""
    axis, epsilon = op.get("axis", -1), op.get("epsilon", 1e-5)

    def kernel(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> object:
        y, inverse = rms(x, list(range(axis % x.dim(), x.dim())), epsilon)
        return _scaled(y, scale, bias), inverse

    return kernel


def skip_layer_norm(op: Op) -> Kernel:
    """Return LayerNorm(input + skip + bias), statistics, and the sum (com.microsoft)."""
    epsilon = op.get("epsilon", 1e-12)

    def kernel(
        x: Tensor,
        skip: Tensor,
        gamma: Tensor,
        beta: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> object:
        total = x + skip if bias is None else x + skip + bias
        y, mean, inverse = standardise(total, [-1], epsilon)
        return _scaled(y, gamma, beta), mean, inverse, total

    return kernel


def skip_rms_norm(op: Op) -> Kernel:
    """Return RMSNorm(input + skip + bias), statistics, and the sum (com.microsoft)."""
    epsilon = op.get("epsilon", 1e-12)

    def kernel(x: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None) -> object:
        total = x + skip if bias is None else x + skip + bias
        y, inverse = rms(total, [-1], epsilon)
        return y * gamma, torch.zeros_like(inverse), inverse, total

    return kernel


def embed_layer_norm(op: Op) -> Kernel:
    """Return LayerNorm of the summed embeddings, the mask's lengths, and the sum."""
    epsilon = op.get("epsilon", 1e-12)

    def kernel(
        ids: Tensor,
        segments: Tensor | None,
        words: Tensor,
        positions: Tensor,
        segment_table: Tensor | None,
        gamma: Tensor,
        beta: Tensor,
        mask: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> object:
        at = torch.arange(ids.shape[1]) if position_ids is None else position_ids.long()
        total = words[ids.long()] + positions[at]
        if segments is not None and segment_table is not None:
            total = total + segment_table[segments.long()]
        y, _, _ = standardise(total, [-1], epsilon)
        lengths = torch.zeros(ids.shape[0], dtype=torch.int32)
        if mask is not None:
            lengths = mask.sum(1).to(torch.int32)
        return y * gamma + beta, lengths, total

    return kernel


def _per_channel(v: Tensor, x: Tensor) -> Tensor:
    return v.reshape(1, -1, *[1] * (x.dim() - 2))


def group_norm(op: Op) -> Kernel:
    """Return Y normalised per group; scale is per group before opset 21, per channel since."""
    groups, epsilon = op.get("num_groups"), op.get("epsilon", 1e-5)
    grouped_scale = op.version < 21

    def kernel(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        rows = x.reshape(x.shape[0], groups, -1)
        y = standardise(rows, [-1], epsilon)[0].reshape(x.shape)
        if grouped_scale:
            each = x.shape[1] // groups
            scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
        return y * _per_channel(scale, x) + _per_channel(bias, x)

    return kernel


def instance_norm(op: Op) -> Kernel:
    """Return Y normalised per sample and channel."""
    epsilon = op.get("epsilon", 1e-5)

    def kernel(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        y = standardise(x, list(range(2, x.dim())), epsilon)[0]
        return y * _per_channel(scale, x) + _per_channel(bias, x)

    return kernel


def batch_norm(op: Op) -> Kernel:
    """Return Y from the stored statistics; training mode is refused."""
    epsilon = op.get("epsilon", 1e-5)
    if op.get("training_mode", 0):
        raise ValueError("training_mode=1 updates its statistics; the judge runs inference only")

    def kernel(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        factor = scale * torch.rsqrt(var + epsilon)
        return (x - _per_channel(mean, x)) * _per_channel(factor, x) + _per_channel(bias, x)

    return kernel


def lp_norm(op: Op) -> Kernel:
    """Return x / ||x||_p along `axis`."""
    axis, p = op.get("axis", -1), op.get("p", 2)

    def kernel(x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, p, axis, keepdim=True)
        return torch.where(norm == 0, torch.zeros((), dtype=x.dtype), x / norm)

    return kernel


def mean_variance_norm(op: Op) -> Kernel:
    """Return (x - mean) / (std + 1e-9) over the axes."""
    axes = list(op.get("axes", (0, 2, 3)))

    def kernel(x: Tensor) -> Tensor:
        mean = x.mean(axes, keepdim=True)
        variance = (x * x).mean(axes, keepdim=True) - mean * mean
        return (x - mean) / (torch.sqrt(variance) + 1e-9)

    return kernel


TABLE: Table = {
    ("", "LayerNormalization"): layer_norm,
    ("", "RMSNormalization"): rms_norm,
    ("", "SimplifiedLayerNormalization"): rms_norm,
    ("", "GroupNormalization"): group_norm,
    ("", "InstanceNormalization"): instance_norm,
    ("", "BatchNormalization"): batch_norm,
    ("", "LpNormalization"): lp_norm,
    ("", "MeanVarianceNormalization"): mean_variance_norm,
    (_MS, "SkipLayerNormalization"): skip_layer_norm,
    (_MS, "SkipSimplifiedLayerNormalization"): skip_rms_norm,
    (_MS, "EmbedLayerNormalization"): embed_layer_norm,
}
