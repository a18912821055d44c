"""Reading and writing by index: Gather, Scatter, TopK and their kin."""

from __future__ import annotations

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor, always


def _from_the_front(index: Tensor, size: int) -> Tensor:
    index = index.long()
    return torch.where(index < 0, index + size, index)


def gather(op: Op) -> Kernel:
    """Return the slices of x along `axis` that the indices name; negatives count from behind."""
    axis = op.get("axis", 0)

    def kernel(x: Tensor, index: Tensor) -> Tensor:
        if index.dim() == 0:
            return x.select(axis, int(index))
        at = axis % x.dim()
        flat = _from_the_front(index.reshape(-1), x.shape[at])
        return x.index_select(at, flat).reshape(*x.shape[:at], *index.shape, *x.shape[at + 1 :])

    return kernel


def gather_elements(op: Op) -> Kernel:
    """Return one element of x per index along `axis`."""
    axis = op.get("axis", 0)
    return lambda x, index: torch.gather(x, axis, _from_the_front(index, x.shape[axis]))


def _batch_grids(shape: torch.Size, batch: int) -> list[Tensor]:
    grids = []
    for axis in range(batch):
        view = [1] * (len(shape) - 1)
        view[axis] = shape[axis]
        grids.append(torch.arange(shape[axis]).reshape(view))
    return grids


def gather_nd(op: Op) -> Kernel:
    """Return the slices of x that index tuples name, batch_dims axes in common."""
    batch = op.get("batch_dims", 0)

    def kernel(x: Tensor, index: Tensor) -> Tensor:
        at = (*_batch_grids(index.shape, batch), *index.long().unbind(-1))
        return x[at]

    return kernel


_AMOUNT = {"mul": "prod", "max": "amax", "min": "amin", "add": "sum"}


def scatter_nd(op: Op) -> Kernel:
    """Return x with slices replaced, or reduced with, the updates."""
    reduction = op.get("reduction", "none")

    def kernel(x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
        depth = index.shape[-1]
        rows = x.reshape(-1, *x.shape[depth:]).clone()
        flat = torch.zeros(index.shape[:-1], dtype=torch.int64)
        for axis in range(depth):
            part = _from_the_front(index[..., axis], x.shape[axis])
            if bool(((part < 0) | (part >= x.shape[axis])).any()):
                raise IndexError(f"an index is outside axis {axis} of size {x.shape[axis]}")
            flat = flat * x.shape[axis] + part
        flat, values = flat.reshape(-1), updates.reshape(-1, *x.shape[depth:])
        if reduction == "none":
            rows[flat] = values
        elif reduction == "add":
            rows.index_add_(0, flat, values)
        else:
            at = flat.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
            rows.scatter_reduce_(0, at, values, _AMOUNT[reduction])
        return rows.reshape(x.shape)

    return kernel


def scatter_elements(op: Op) -> Kernel:
    """Return x with elements along `axis` replaced, or reduced with, the updates."""
    axis, reduction = op.get("axis", 0), op.get("reduction", "none")

    def kernel(x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
        at = _from_the_front(index, x.shape[axis])
        if reduction == "none":
            return x.scatter(axis, at, updates)
        return x.scatter_reduce(axis, at, updates, _AMOUNT[reduction])

    return kernel


def tensor_scatter(op: Op) -> Kernel:
    """Return the cache with the update written at each row's position (opset 24)."""
    axis, circular = op.get("axis", -2), op.get("mode", "linear") == "circular"

    def kernel(cache: Tensor, update: Tensor, starts: Tensor | None = None) -> Tensor:
        at, steps = axis % cache.dim(), update.shape[axis]
        first = torch.zeros(cache.shape[0], dtype=torch.int64) if starts is None else starts
        where = first.long()[:, None] + torch.arange(steps)
        if circular:
            where = where % cache.shape[at]
        rows, values = cache.movedim(at, 1).clone(), update.movedim(at, 1)
        rows[torch.arange(cache.shape[0])[:, None], where] = values
        return rows.movedim(1, at)

    return kernel


def one_hot(op: Op) -> Kernel:
    """Return `on` where the new axis equals the index, `off` elsewhere, from values [off, on]."""
    axis = op.get("axis", -1)

    def kernel(index: Tensor, depth: Tensor, values: Tensor) -> Tensor:
        size = int(depth.reshape(()).item())
        at = axis % (index.dim() + 1)
        position = torch.arange(size).reshape(-1, *[1] * (index.dim() - at))
        hot = _from_the_front(index, size).unsqueeze(at) == position
        return torch.where(hot, values[1], values[0])

    return kernel


def compress(op: Op) -> Kernel:
    """Return the slices of x along `axis` (or elements of flat x) where the condition holds."""
    axis = op.get("axis")

    def kernel(x: Tensor, condition: Tensor) -> Tensor:
        flat = x.reshape(-1) if axis is None else x
        return flat.index_select(axis or 0, torch.nonzero(condition).reshape(-1))

    return kernel


def top_k(op: Op) -> Kernel:
    """Return the k largest (smallest) along `axis` and their indices, the first of equals first."""
    axis, largest, fixed = op.get("axis", -1), bool(op.get("largest", 1)), op.get("k")

    def kernel(x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
        count = fixed if k is None else int(k.reshape(()).item())
        values, index = torch.sort(x, dim=axis, descending=largest, stable=True)
        return values.narrow(axis, 0, count), index.narrow(axis, 0, count)

    return kernel


def reverse_sequence(op: Op) -> Kernel:
    """Return x with the first length[b] steps of each row in reverse."""
    batch_axis, time_axis = op.get("batch_axis", 1), op.get("time_axis", 0)

    def kernel(x: Tensor, lengths: Tensor) -> Tensor:
        rows = x.movedim((batch_axis, time_axis), (0, 1))
        step, size = torch.arange(rows.shape[1]), lengths.long()[:, None]
        at = torch.where(step < size, size - 1 - step, step)
        out = rows[torch.arange(rows.shape[0])[:, None], at]
        return out.movedim((0, 1), (batch_axis, time_axis))

    return kernel


TABLE: Table = {
    ("", "Gather"): gather,
    ("", "GatherElements"): gather_elements,
    ("", "GatherND"): gather_nd,
    ("", "Scatter"): scatter_elements,
    ("", "ScatterElements"): scatter_elements,
    ("", "ScatterND"): scatter_nd,
    ("", "TensorScatter"): tensor_scatter,
    ("", "OneHot"): one_hot,
    ("", "Compress"): compress,
    ("", "TopK"): top_k,
    ("", "NonZero"): always(lambda x: torch.nonzero(x).T),
    ("", "ReverseSequence"): reverse_sequence,
}
