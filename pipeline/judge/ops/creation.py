"""Tensors made from sizes: fills, ranges, triangles, identities."""

from __future__ import annotations

import math

import torch

from pipeline.judge.dtypes import to_torch
from pipeline.judge.op import Kernel, Op, Table, Tensor


def constant_of_shape(op: Op) -> Kernel:
    """Return a tensor of the given shape filled with one value, 0.0f by default."""
    value = op.get("value")
    if value is None:
        fill = torch.zeros((), dtype=op.held(1))
    else:
        fill = op.precision.of(to_torch(value.numpy())).reshape(())
    return lambda shape: fill.expand(shape.tolist())


def range_(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Return start, start + delta, ... short of the limit."""
    start, delta = start.reshape(()), delta.reshape(())
    count = max(math.ceil((limit.item() - start.item()) / delta.item()), 0)
    values: Tensor = torch.arange(count, dtype=start.dtype) * delta + start
    return values


def trilu(op: Op) -> Kernel:
    """Return the upper or lower triangle, moved by k diagonals."""
    cut = torch.triu if op.get("upper", 1) else torch.tril
    return lambda x, k=None: cut(x, 0 if k is None else int(k.reshape(()).item()))


def eye_like(op: Op) -> Kernel:
    """Return ones on the k-th diagonal in the shape of x."""
    k, code = op.get("k", 0), op.get("dtype")

    def kernel(x: Tensor) -> Tensor:
        dtype = x.dtype if code is None else op.held(code)
        rows, columns = x.shape
        return torch.eq(torch.arange(columns), torch.arange(rows)[:, None] + k).to(dtype)

    return kernel


def dropout(op: Op) -> Kernel:
    """Return x and a mask of ones: the judge runs inference only."""

    def kernel(x: Tensor, _ratio: Tensor | None = None, training: Tensor | None = None) -> object:
        if training is not None and bool(training):
            raise ValueError("training_mode is on, so the result is random")
        return (x, torch.ones_like(x, dtype=torch.bool))

    return kernel


TABLE: Table = {
    ("", "ConstantOfShape"): constant_of_shape,
    ("", "Range"): lambda _op: range_,
    ("", "Trilu"): trilu,
    ("", "EyeLike"): eye_like,
    ("", "Dropout"): dropout,
}
