"""Sums, means and extremes along axes, cumulative sums and softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pipeline.judge.op import Kernel, Maker, Op, Table, Tensor

_Reduce = Callable[[Tensor, list[int], bool], Tensor]


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keep)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return torch.div(_sum(x, axes, keep), count, rounding_mode="trunc")


def _extreme(kernel: _Reduce, largest: bool) -> _Reduce:
    def reduce(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        if all(x.shape[a] for a in axes):
            return kernel(x, axes, keep)
        # The operator defines the extreme of nothing as the type's own limit.
        if x.is_floating_point():
            empty: float | int = float("-inf") if largest else float("inf")
        elif x.dtype == torch.bool:
            empty = not largest
        else:
            info = torch.iinfo(x.dtype)
            empty = info.min if largest else info.max
        shape = [1 if i in axes else s for i, s in enumerate(x.shape) if keep or i not in axes]
        return torch.full(shape, empty, dtype=x.dtype)

    return reduce


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def _norm_two(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sqrt(
        _sum(x * x, axes, keep).to(x.dtype if x.is_floating_point() else torch.float64)
    ).to(x.dtype)


def _log_sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.log(_sum(x, axes, keep))


def _reduction(reduce: _Reduce) -> Maker:
    def make(op: Op) -> Kernel:
        keep, fixed = bool(op.get("keepdims", 1)), op.get("axes")
        nothing_is_all = not op.get("noop_with_empty_axes", 0)

        def kernel(x: Tensor, axes: Tensor | None = None) -> Tensor:
            given = fixed if axes is None else axes.tolist()
            if not given:
                if not nothing_is_all:
                    # The elementwise part of the reduction still happens.
                    return reduce(x.unsqueeze(-1), [x.dim()], False)
                given = range(x.dim())
            chosen = [a % x.dim() for a in given] if x.dim() else []
            if not chosen:
                return reduce(x.unsqueeze(-1), [0], False)
            return reduce(x, chosen, keep)

        return kernel

    return make


def arg_extreme(largest: bool) -> Maker:
    """Return the maker for the index of the extreme, the first or the last of equals."""

    def make(op: Op) -> Kernel:
        axis, keep = op.get("axis", 0), bool(op.get("keepdims", 1))
        last = bool(op.get("select_last_index", 0))

        def kernel(x: Tensor) -> Tensor:
            ordered = x.flip(axis) if last else x
            index = torch.sort(ordered, dim=axis, descending=largest, stable=True).indices
            first = index.narrow(axis, 0, 1)
            first = x.shape[axis] - 1 - first if last else first
            return first if keep else first.squeeze(axis)

        return kernel

    return make


def cumulative_sum(op: Op) -> Kernel:
    """Return running sums, from behind with reverse, without the own element if exclusive."""
    exclusive, reverse = op.get("exclusive", 0), op.get("reverse", 0)

    def kernel(x: Tensor, axis: Tensor) -> Tensor:
        at = int(axis.reshape(()).item())
        y = x.flip(at) if reverse else x
        total = torch.cumsum(y, at, dtype=x.dtype)
        total = total - y if exclusive and not x.is_floating_point() else total
        if exclusive and x.is_floating_point():
            zero = torch.zeros_like(total.narrow(at, 0, min(1, total.shape[at])))
            total = torch.cat([zero, total.narrow(at, 0, max(total.shape[at] - 1, 0))], at)
        return total.flip(at) if reverse else total

    return kernel


def _normalised(kernel: Callable[[Tensor, int], Tensor]) -> Maker:
    def make(op: Op) -> Kernel:
        if op.version >= 13:
            axis = op.get("axis", -1)
            return lambda x: kernel(x, axis)
        split = op.get("axis", 1)

        def coerced(x: Tensor) -> Tensor:
            # Before opset 13 everything from `axis` on is one row.
            cut = split % x.dim() if split < 0 else split
            return kernel(x.reshape(*x.shape[:cut], -1), -1).reshape(x.shape)

        return coerced

    return make


def _hardmax(x: Tensor, axis: int) -> Tensor:
    index = torch.sort(x, dim=axis, descending=True, stable=True).indices.narrow(axis, 0, 1)
    return torch.zeros_like(x).scatter(axis, index, 1.0)


_REDUCTIONS: dict[str, _Reduce] = {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceMax": _extreme(lambda x, a, k: torch.amax(x, a, keepdim=k), largest=True),
    "ReduceMin": _extreme(lambda x, a, k: torch.amin(x, a, keepdim=k), largest=False),
    "ReduceProd": _product,
    "ReduceL1": lambda x, a, k: _sum(x.abs(), a, k),
    "ReduceL2": _norm_two,
    "ReduceSumSquare": lambda x, a, k: _sum(x * x, a, k),
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": lambda x, a, k: torch.logsumexp(x, a, keepdim=k),
}
TABLE: Table = {
    **{("", kind): _reduction(reduce) for kind, reduce in _REDUCTIONS.items()},
    ("", "ArgMax"): arg_extreme(largest=True),
    ("", "ArgMin"): arg_extreme(largest=False),
    ("", "CumSum"): cumulative_sum,
    ("", "Softmax"): _normalised(torch.softmax),
    ("", "LogSoftmax"): _normalised(torch.log_softmax),
    ("", "Hardmax"): _normalised(_hardmax),
}
