"""Resize and Upsample: every axis is interpolated on its own, by a small weight matrix.

`tf_crop_and_resize` is left to onnx.reference.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor, left_to_reference


def resize(op: Op) -> Kernel:
    """Return x interpolated to the sizes, or by the scales, given."""
    if op.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        return left_to_reference
    old = op.version < 11

    def kernel(
        x: Tensor,
        roi: Tensor | None = None,
        scales: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> Tensor:
        if old:
            scales = roi
        axes = [a % x.dim() for a in op.get("axes", range(x.dim()))]
        for axis, (out, scale) in zip(axes, _targets(op, x, axes, scales, sizes), strict=True):
            if out != x.shape[axis] or scale != 1.0:
                x = _along(op, x, axis, out, scale)
        return x

    return kernel


def _targets(
    op: Op, x: Tensor, axes: list[int], scales: Tensor | None, sizes: Tensor | None
) -> list[tuple[int, float]]:
    """Return the output size and scale of each axis."""
    here = [x.shape[a] for a in axes]
    if sizes is None or not sizes.numel():
        assert scales is not None, "schema: scales or sizes"
        # Sizes are floor(size * scale) in float32: 10 * 0.7f is 7 there and 6.99 in float64.
        factors = scales.to(torch.float32)
        outs = torch.floor(torch.tensor(here, dtype=torch.float32) * factors).tolist()
        return [(int(out), float(f)) for out, f in zip(outs, factors.tolist(), strict=True)]
    wanted: list[int] = sizes.tolist()
    policy = op.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [(out, out / size) for out, size in zip(wanted, here, strict=True)]
    pick = min if policy == "not_larger" else max
    scale = pick(out / size for out, size in zip(wanted, here, strict=True))
    return [(math.floor(size * scale + 0.5), scale) for size in here]


def _along(op: Op, x: Tensor, axis: int, out: int, scale: float) -> Tensor:
    size = x.shape[axis]
    at = _coordinates(op, out, size, scale)
    mode = op.get("mode", "nearest")
    if mode == "nearest":
        return x.index_select(axis, torch.from_numpy(_nearest(op, at).clip(0, size - 1)))
    weights = _weights(op, at, size, scale, mode)
    moved = torch.matmul(x.movedim(axis, -1), torch.from_numpy(weights).to(x.dtype).T)
    return moved.movedim(-1, axis)


def _coordinates(op: Op, out: int, size: int, scale: float) -> np.ndarray:
    """Return where each output element lies in the input."""
    default = "half_pixel" if op.version >= 11 else "asymmetric"
    kind = op.get("coordinate_transformation_mode", default)
    x = np.arange(out, dtype=np.float64)
    if kind == "asymmetric":
        return x / scale
    if kind == "align_corners":
        # The length is the output's own, as in torch and the runtimes; onnx.reference takes
        # scale * size here, which is not whole.
        return x * ((size - 1) / (out - 1)) if out > 1 else x * 0.0
    if kind == "pytorch_half_pixel" and out <= 1:
        return x * 0.0
    if kind == "half_pixel_symmetric":
        # The output is centred on the input even where its size was rounded down.
        adjust = out / (scale * size)
        return size / 2 * (1 - adjust) + (x + 0.5) / scale - 0.5
    return (x + 0.5) / scale - 0.5


def _nearest(op: Op, at: np.ndarray) -> np.ndarray:
    mode = op.get("nearest_mode", "round_prefer_floor" if op.version >= 11 else "floor")
    if mode == "round_prefer_floor":
        at = np.ceil(at - 0.5)
    elif mode == "round_prefer_ceil":
        at = np.floor(at + 0.5)
    else:
        at = np.floor(at) if mode == "floor" else np.ceil(at)
    return at.astype(np.int64)


def _weights(op: Op, at: np.ndarray, size: int, scale: float, mode: str) -> np.ndarray:
    """Return the matrix [out, size] that interpolates one axis."""
    reach = 1 if mode == "linear" else 2
    shrink = min(scale, 1.0) if op.get("antialias", 0) else 1.0
    width = math.ceil(reach / shrink)
    base = np.floor(at).astype(np.int64)
    matrix = np.zeros((len(at), size))
    for offset in range(1 - width, width + 1):
        tap = base + offset
        distance = np.abs(at - tap) * shrink
        weight = _triangle(distance) if mode == "linear" else _cubic(op, distance)
        if op.get("exclude_outside", 0):
            weight = np.where((tap < 0) | (tap >= size), 0.0, weight)
        np.add.at(matrix, (np.arange(len(at)), tap.clip(0, size - 1)), weight)
    if op.get("exclude_outside", 0) or shrink < 1.0:
        matrix /= matrix.sum(1, keepdims=True)
    return matrix


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - distance, 0.0)


def _cubic(op: Op, t: np.ndarray) -> np.ndarray:
    """Return Keys' cubic kernel."""
    a = op.get("cubic_coeff_a", -0.75)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def upsample(op: Op) -> Kernel:
    """Return x enlarged: Resize as it was before opset 10."""
    fixed = op.get("scales")
    inner = resize(op)

    def kernel(x: Tensor, scales: Tensor | None = None) -> Any:
        return inner(x, torch.tensor(fixed) if scales is None else scales)

    return kernel


TABLE: Table = {("", "Resize"): resize, ("", "Upsample"): upsample}
