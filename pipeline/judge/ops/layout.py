"""Shapes and layout: nothing here computes, it only moves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from pipeline.judge.op import Kernel, Op, Table, Tensor, always


def reshape(op: Op) -> Kernel:
    """Return x in a new shape; 0 copies a size unless allowzero, -1 takes what is left."""
    allow_zero, fixed = op.get("allowzero", 0), op.get("shape")

    def kernel(x: Tensor, shape: Tensor | None = None) -> Tensor:
        sizes = list(fixed) if shape is None else shape.tolist()
        if not allow_zero and 0 in sizes:
            sizes = [x.shape[i] if s == 0 else s for i, s in enumerate(sizes)]
        if -1 in sizes and x.numel() == 0:
            # torch cannot infer -1 beside an empty size; the rest of x says what it is.
            known = int(np.prod([s for s in sizes if s not in (-1, 0)]))
            mine = int(np.prod([s for s in x.shape if s != 0]))
            left = mine // known if 0 in sizes and known else 0
            sizes[sizes.index(-1)] = left
        return x.reshape(sizes)

    return kernel


def transpose(op: Op) -> Kernel:
    """Return x with its axes permuted, reversed by default."""
    perm = op.get("perm")
    if perm is None:
        return lambda x: x.permute(*reversed(range(x.dim())))
    return lambda x: x.permute(perm)


def _axes(value: Tensor | Sequence[int], rank: int) -> list[int]:
    listed = value.reshape(-1).tolist() if isinstance(value, Tensor) else value
    return [a % rank if -rank <= a < rank else a for a in listed]


def squeeze(op: Op) -> Kernel:
    """Return x without the axes of size 1 named, or without all of them."""
    fixed = op.get("axes")

    def kernel(x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = fixed if axes is None else axes
        if given is None:
            return x.squeeze()
        chosen = _axes(given, x.dim())
        if any(x.shape[a] != 1 for a in chosen):
            raise ValueError(f"squeezes axes {chosen} of shape {tuple(x.shape)}")
        return x.squeeze(chosen)

    return kernel


def unsqueeze(op: Op) -> Kernel:
    """Return x with axes of size 1 put in; positions count in the result."""
    fixed = op.get("axes")

    def kernel(x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = fixed if axes is None else axes.reshape(-1).tolist()
        if len(given) == 1:
            return x.unsqueeze(given[0])
        for axis in sorted(_axes(given, x.dim() + len(given))):
            x = x.unsqueeze(axis)
        return x

    return kernel


def flatten(op: Op) -> Kernel:
    """Return x as a matrix, split before `axis`."""
    axis = op.get("axis", 1)

    def kernel(x: Tensor) -> Tensor:
        cut = axis % x.dim() if axis < 0 else axis
        return x.reshape(int(np.prod(x.shape[:cut])), int(np.prod(x.shape[cut:])))

    return kernel


def expand(x: Tensor, shape: Tensor) -> Tensor:
    """Return x broadcast with a shape, in both directions."""
    wanted: list[int] = shape.tolist()
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(wanted)))


def concat(op: Op) -> Kernel:
    """Return the inputs joined along `axis`."""
    axis = op.get("axis", 1)

    def kernel(*xs: Tensor) -> Tensor:
        return torch.cat(xs, axis)

    return kernel


def split(op: Op) -> Kernel:
    """Return x cut along `axis`: sizes given, or equal parts with a smaller last one."""
    axis, fixed = op.get("axis", 0), op.get("split")
    parts = op.get("num_outputs", len(op.outputs))

    def kernel(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        if sizes is not None or fixed is not None:
            return torch.split(x, list(fixed) if sizes is None else sizes.tolist(), axis)
        total = x.shape[axis]
        step = -(-total // parts)
        bounds = [min(step * i, total) for i in range(parts + 1)]
        return torch.split(x, [b - a for a, b in pairwise(bounds)], axis)

    return kernel


def _sliced(x: Tensor, axis: int, start: int, stop: int, step: int) -> Tensor:
    size = x.shape[axis]
    first, last, step = slice(start, stop, step).indices(size)
    if step > 0:
        return (
            x.narrow(axis, first, max(last - first, 0))
            if step == 1
            else (torch.ops.aten.slice.Tensor(x, axis, first, max(last, first), step))
        )
    return x.index_select(
        axis, torch.arange(first, last, step) if first > last else torch.empty(0, dtype=torch.int64)
    )


def slice_(op: Op) -> Kernel:
    """Return a strided window of x with numpy's clamping; steps may be negative."""
    if op.version < 10:
        starts, ends, axes = op.get("starts"), op.get("ends"), op.get("axes")

        def by_attribute(x: Tensor) -> Tensor:
            for axis, start, end in zip(axes or range(len(starts)), starts, ends, strict=True):
                x = _sliced(x, axis, start, end, 1)
            return x

        return by_attribute

    def kernel(
        x: Tensor,
        starts: Tensor,
        ends: Tensor,
        axes: Tensor | None = None,
        steps: Tensor | None = None,
    ) -> Tensor:
        begin, end = starts.tolist(), ends.tolist()
        where = range(len(begin)) if axes is None else axes.tolist()
        stride = [1] * len(begin) if steps is None else steps.tolist()
        for axis, first, last, step in zip(where, begin, end, stride, strict=True):
            x = _sliced(x, axis, first, last, step)
        return x

    return kernel


def tile(x: Tensor, repeats: Tensor) -> Tensor:
    """Return x repeated along each axis."""
    return x.repeat(repeats.tolist())


def shape(op: Op) -> Kernel:
    """Return the sizes of x, int64, of the axes [start, end)."""
    start, end = op.get("start", 0), op.get("end")
    return lambda x: torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


def pad(op: Op) -> Kernel:
    """Return x padded (or cropped, where negative) in one of the four modes."""
    mode, fixed = op.get("mode", "constant"), op.get("pads", op.get("paddings"))
    fill = op.get("value", 0.0)

    def kernel(
        x: Tensor,
        pads: Tensor | None = None,
        value: Tensor | None = None,
        axes: Tensor | None = None,
    ) -> Tensor:
        amounts = list(fixed) if pads is None else pads.tolist()
        chosen = range(x.dim()) if axes is None else _axes(axes, x.dim())
        half = len(amounts) // 2
        around = {a: (amounts[i], amounts[i + half]) for i, a in enumerate(chosen)}
        if mode == "constant":
            constant = fill if value is None else value.reshape(()).item()
            order = [p for a in reversed(range(x.dim())) for p in around.get(a, (0, 0))]
            return functional.pad(x, order, value=constant)
        for axis, (before, after) in around.items():
            x = _padded(x, axis, before, after, mode)
        return x

    return kernel


def _padded(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    if before == after == 0:
        return x
    # numpy pads a row of positions exactly as the operator pads values.
    amounts: Any = (max(before, 0), max(after, 0))
    row = np.pad(np.arange(x.shape[axis]), amounts, mode=cast(Any, mode))
    row = row[max(-before, 0) : len(row) - max(-after, 0)]
    return x.index_select(axis, torch.from_numpy(np.ascontiguousarray(row)))


def depth_to_space(op: Op) -> Kernel:
    """Return blocks of channels laid out in space, in DCR or CRD order."""
    block, mode = op.get("blocksize"), op.get("mode", "DCR")

    def kernel(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        deep = c // block**2
        if mode == "DCR":
            y = x.reshape(n, block, block, deep, h, w).permute(0, 3, 4, 1, 5, 2)
        else:
            y = x.reshape(n, deep, block, block, h, w).permute(0, 1, 4, 2, 5, 3)
        return y.reshape(n, deep, h * block, w * block)

    return kernel


def space_to_depth(op: Op) -> Kernel:
    """Return blocks of space laid out in channels, in DCR or CRD order."""
    block = op.get("blocksize")
    order = (0, 3, 5, 1, 2, 4) if op.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)

    def kernel(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n, c, h // block, block, w // block, block).permute(order)
        return y.reshape(n, c * block**2, h // block, w // block)

    return kernel


TABLE: Table = {
    ("", "Identity"): always(lambda x: x),
    ("", "Reshape"): reshape,
    ("", "Transpose"): transpose,
    ("", "Squeeze"): squeeze,
    ("", "Unsqueeze"): unsqueeze,
    ("", "Flatten"): flatten,
    ("", "Expand"): always(expand),
    ("", "Concat"): concat,
    ("", "Split"): split,
    ("", "Slice"): slice_,
    ("", "Tile"): always(tile),
    ("", "Shape"): shape,
    ("", "Size"): always(lambda x: torch.tensor(x.numel(), dtype=torch.int64)),
    ("", "Pad"): pad,
    ("", "DepthToSpace"): depth_to_space,
    ("", "SpaceToDepth"): space_to_depth,
}
