"""Convolutions and pooling over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from pipeline.judge.op import Kernel, Op, Table, Tensor, always, left_to_reference

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_CONV_T = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def _padding(
    op: Op,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    """Return (before, after) of each spatial axis, from pads or auto_pad."""
    auto = op.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return [(0, 0)] * len(sizes)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        found = []
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
            need = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            small, large = need // 2, need - need // 2
            found.append((small, large) if auto == "SAME_UPPER" else (large, small))
        return found
    pads = op.get("pads", (0,) * (2 * len(sizes)))
    return list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))


def _padded(x: Tensor, padding: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    order = [amount for pair in reversed(padding) for amount in pair]
    return functional.pad(x, order, value=value) if any(order) else x


def _spread(op: Op, name: str, spatial: int) -> Sequence[int]:
    values: Sequence[int] = op.get(name, (1,) * spatial)
    return values


def conv(op: Op) -> Kernel:
    """Return the convolution of x with w, plus b."""

    def kernel(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        spatial = x.dim() - 2
        strides, dilations = _spread(op, "strides", spatial), _spread(op, "dilations", spatial)
        padding = _padding(op, x.shape[2:], w.shape[2:], strides, dilations)
        call: Any = _CONV[spatial]
        y: Tensor = call(_padded(x, padding), w, b, strides, 0, dilations, op.get("group", 1))
        return y

    return kernel


def conv_transpose(op: Op) -> Kernel:
    """Return the transposed convolution, cropped or filled up to the size asked for."""

    def kernel(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        spatial = x.dim() - 2
        strides, dilations = _spread(op, "strides", spatial), _spread(op, "dilations", spatial)
        extra = op.get("output_padding", (0,) * spatial)
        call: Any = _CONV_T[spatial]
        y = call(x, w, None, strides, 0, 0, op.get("group", 1), dilations)
        full = [size + more for size, more in zip(y.shape[2:], extra, strict=True)]
        crop = _crop(op, full, x.shape[2:], strides)
        y = _padded(y, [(-a, more - z) for (a, z), more in zip(crop, extra, strict=True)])
        return y if b is None else y + b.reshape(-1, *[1] * spatial)

    return kernel


def _crop(
    op: Op, full: Sequence[int], sizes: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    shape, auto = op.get("output_shape"), op.get("auto_pad", "NOTSET")
    if shape is None and auto not in ("SAME_UPPER", "SAME_LOWER"):
        pads = op.get("pads", (0,) * (2 * len(full)))
        return list(zip(pads[: len(full)], pads[len(full) :], strict=True))
    if shape is None:
        shape = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    crop = []
    for have, want in zip(full, shape[-len(full) :], strict=True):
        total = have - want
        small = total // 2
        crop.append((small, total - small) if auto == "SAME_UPPER" else (total - small, small))
    return crop


def _windows(
    op: Op, x: Tensor
) -> tuple[list[tuple[int, int]], list[int], Sequence[int], Sequence[int]]:
    """Return padding, what ceil_mode needs beyond it, strides and dilations."""
    kernel, spatial = op.get("kernel_shape"), x.dim() - 2
    strides, dilations = _spread(op, "strides", spatial), _spread(op, "dilations", spatial)
    padding = _padding(op, x.shape[2:], kernel, strides, dilations)
    more = []
    for size, k, stride, dilation, (before, after) in zip(
        x.shape[2:], kernel, strides, dilations, padding, strict=True
    ):
        room = size + before + after - (k - 1) * dilation - 1
        count = -(-room // stride) + 1 if op.get("ceil_mode", 0) else room // stride + 1
        # A window may not start in what ceil_mode adds, nor in the padding after.
        if (count - 1) * stride >= size + before:
            count -= 1
        more.append(max((count - 1) * stride - room, 0))
    return padding, more, strides, dilations


def max_pool(op: Op) -> Kernel:
    """Return the largest element of each window; their indices are left to onnx.reference."""
    if op.wants(1):
        return left_to_reference

    def kernel(x: Tensor) -> Tensor:
        padding, more, strides, dilations = _windows(op, x)
        y = x if x.is_floating_point() else x.double()
        full = [(a, b + extra) for (a, b), extra in zip(padding, more, strict=True)]
        y = _padded(y, full, float("-inf"))
        call: Any = _MAX[x.dim() - 2]
        best: Tensor = call(y, op.get("kernel_shape"), strides, 0, dilations)
        return best.to(x.dtype)

    return kernel


def average_pool(op: Op) -> Kernel:
    """Return the mean of each window over what is there, or over the padding too."""

    def kernel(x: Tensor) -> Tensor:
        spatial, channels = x.dim() - 2, x.shape[1]
        padding, more, strides, dilations = _windows(op, x)
        beyond = [(0, extra) for extra in more]
        call: Any = _CONV[spatial]
        ones = torch.ones((1, 1, *op.get("kernel_shape")), dtype=x.dtype)
        here = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
        here = _padded(here, padding, 1.0 if op.get("count_include_pad", 0) else 0.0)
        count = call(_padded(here, beyond), ones, None, strides, 0, dilations)
        filled = _padded(_padded(x, padding), beyond)
        weights = ones.expand(channels, *ones.shape[1:])
        total: Tensor = call(filled, weights, None, strides, 0, dilations, channels)
        return torch.div(total, count)

    return kernel


def _spatial(x: Tensor) -> list[int]:
    return list(range(2, x.dim()))


TABLE: Table = {
    ("", "Conv"): conv,
    ("", "ConvTranspose"): conv_transpose,
    ("", "MaxPool"): max_pool,
    ("", "AveragePool"): average_pool,
    ("", "GlobalAveragePool"): always(lambda x: x.mean(_spatial(x), keepdim=True)),
    ("", "GlobalMaxPool"): always(lambda x: x.amax(_spatial(x), keepdim=True)),
}
