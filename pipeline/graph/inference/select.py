"""Operators that select or place elements: Slice, Gather, Scatter, TopK, NonZero, OneHot."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.call import (
    Call,
    Dims,
    Infer,
    Info,
    axes_argument,
    axis_of,
    flat,
    grid,
)
from pipeline.graph.sizes.dims import ONE, Dim, product
from pipeline.graph.sizes.signs import is_nonnegative

INT64 = ir.DataType.INT64
Bounds = dict[int, tuple[Dim, Dim, "int | None"]]
FAR = 2**31 - 1  # exporters write "to the end" as INT32_MAX or INT64_MAX


def _slice(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(None, x.dtype)]
    bounds = _slice_bounds(call, len(x.shape))
    if bounds is None:
        return [Info(call.fresh(len(x.shape)), x.dtype)]
    dims = list(x.shape)
    for axis, (start, end, step) in bounds.items():
        dims[axis] = _sliced(call, dims[axis], start, end, step)
    return [Info(tuple(dims), x.dtype, _cut(grid(x), bounds))]


def _cut(contents: np.ndarray | None, bounds: Bounds) -> Dims | None:
    """Return the sliced contents, None where a bound is not a number."""
    if contents is None:
        return None
    cut: list[slice] = [slice(None)] * contents.ndim
    for axis, (start, end, step) in bounds.items():
        first, last = start.const, end.const
        if first is None or last is None or not step:
            return None
        cut[axis] = slice(first, _python_end(last, step), step)
    return flat(contents[tuple(cut)])


def _python_end(end: int | None, step: int | None) -> int | None:
    """Return the end as Python's slice wants it: far below zero means "through the first"."""
    return None if end is not None and step is not None and step < 0 and end < -FAR else end


def _slice_bounds(call: Call, rank: int) -> Bounds | None:
    attribute = call.ints_attr("starts")
    if attribute is not None:
        ends = call.ints_attr("ends") or []
        starts_of, ends_of = tuple(map(Dim.of, attribute)), tuple(map(Dim.of, ends))
        given = call.ints_attr("axes")
        axes = given if given is not None else list(range(len(attribute)))
        steps: list[int] | None = [1] * len(attribute)
    else:
        starts, stops = call.ints(1), call.ints(2)
        if starts is None or stops is None:
            return None
        starts_of, ends_of = starts, stops
        found = call.const_ints(3) if call.has(3) else list(range(len(starts)))
        if found is None:
            return None
        axes = found
        steps = call.const_ints(4) if call.has(4) else [1] * len(starts)
    result: Bounds = {}
    for i, axis in enumerate(axes):
        normal = axis_of(axis, rank)
        if normal is None or i >= len(starts_of) or i >= len(ends_of):
            return None
        result[normal] = (starts_of[i], ends_of[i], None if steps is None else steps[i])
    return result


def _sliced(call: Call, size: Dim, start: Dim, end: Dim, step: int | None) -> Dim:
    if step is None or step == 0:
        return call.unifier.fresh()
    first, last = start.const, end.const
    if size.is_const and first is not None and last is not None:
        total = size.const or 0
        return Dim.of(len(range(*slice(first, _python_end(last, step), step).indices(total))))
    if step < 0:
        whole = step == -1 and first in (-1, FAR, 2**63 - 1) and last is not None and last < -FAR
        return size if whole else call.unifier.fresh()
    begin = _clamped(call, start, size)
    stop = size if last is not None and last >= FAR else _clamped(call, end, size)
    if begin is None or stop is None:
        return call.unifier.fresh()
    length = stop - begin if is_nonnegative(stop - begin) else (stop - begin).maximum(0)
    return length if step == 1 else (length + step - 1) // step


def _clamped(call: Call, bound: Dim, size: Dim) -> Dim | None:
    """Return a slice bound counted from the front and clamped into 0..size; None if unknown."""
    if call.unifier.nonnegative(bound):
        return bound.minimum(size)
    if is_nonnegative(-bound - 1):
        return (bound + size).maximum(0)
    return None


def _gather(call: Call) -> Sequence[Info]:
    x, indices = call.info(0), call.info(1)
    if x.shape is None or indices.shape is None:
        return [Info(None, x.dtype)]
    axis = axis_of(call.int_attr("axis"), len(x.shape))
    if axis is None:
        return [Info(None, x.dtype)]
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return [Info(shape, x.dtype, _gathered(grid(x), call.grid(1), axis))]


def _gathered(contents: np.ndarray | None, indices: np.ndarray | None, axis: int) -> Dims | None:
    if contents is None or indices is None:
        return None
    numbers = [d.const for d in indices.flat]
    size = contents.shape[axis]
    picked = [n for n in numbers if n is not None and -size <= n < size]
    if len(picked) != indices.size:
        return None
    taken = contents.take(np.array(picked, np.int64).reshape(indices.shape), axis)
    return flat(np.asarray(taken, dtype=object))


def _gather_elements(call: Call) -> Sequence[Info]:
    return [Info(call.shape(1), call.dtype(0))]


def _gather_nd(call: Call) -> Sequence[Info]:
    x, indices, batch = call.info(0), call.info(1), call.int_attr("batch_dims")
    if x.shape is None or not indices.shape:
        return [Info(None, x.dtype)]
    depth = indices.shape[-1].const
    if depth is None:
        return [Info(None, x.dtype)]
    return [Info((*indices.shape[:-1], *x.shape[batch + depth :]), x.dtype)]


def _one_hot(call: Call) -> Sequence[Info]:
    indices, depth = call.shape(0), call.ints(1)
    if indices is None:
        return [Info(None, call.dtype(2))]
    size = call.size(depth[0]) if depth else call.unifier.fresh()
    axis = axis_of(call.int_attr("axis", -1), len(indices) + 1)
    if axis is None:
        return [Info(None, call.dtype(2))]
    return [Info((*indices[:axis], size, *indices[axis:]), call.dtype(2))]


def _top_k(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(None, x.dtype), Info(None, INT64)]
    axis = axis_of(call.int_attr("axis", -1), len(x.shape))
    if axis is None:
        return [Info(None, x.dtype), Info(None, INT64)]
    count = call.ints(1)
    given = call.attr("k")
    if isinstance(given, int):
        size = Dim.of(given)
    else:
        size = call.size(count[0]) if count else call.unifier.fresh()
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    return [Info(shape, x.dtype), Info(shape, INT64)]


def _nonzero(call: Call) -> Sequence[Info]:
    shape = call.shape(0)
    if shape is None:
        return [Info(call.fresh(2), INT64)]
    count = product(shape) if _filled(call) else call.unifier.fresh()
    return [Info((Dim.of(max(len(shape), 1)), count), INT64)]


def _filled(call: Call) -> bool:
    """Return whether the input is a filled tensor: before opset 11 a range was written so."""
    value = call.node.inputs[0]
    made = None if value is None else value.producer()
    if made is None or made.op_type != "ConstantOfShape":
        return False
    tensor = made.attributes["value"].value if "value" in made.attributes else None
    return isinstance(tensor, ir.TensorProtocol) and bool(tensor.numpy().all())


def _compress(call: Call) -> Sequence[Info]:
    x, axis = call.info(0), call.attr("axis")
    if not isinstance(axis, int):
        return [Info(call.fresh(1), x.dtype)]
    normal = None if x.shape is None else axis_of(axis, len(x.shape))
    if x.shape is None or normal is None:
        return [Info(None, x.dtype)]
    shape = (*x.shape[:normal], call.unifier.fresh(), *x.shape[normal + 1 :])
    return [Info(shape, x.dtype)]


def _unique(call: Call) -> Sequence[Info]:
    x, count = call.info(0), call.unifier.fresh()
    axis = call.attr("axis")
    if not isinstance(axis, int):
        first: Dims | None = (count,)
    elif x.shape is None or axis_of(axis, len(x.shape)) is None:
        first = None
    else:
        at = axis_of(axis, len(x.shape)) or 0
        first = (*x.shape[:at], count, *x.shape[at + 1 :])
    index = Info((count,), INT64)
    return [Info(first, x.dtype), index, Info(call.fresh(1), INT64), index]


def _arg_extreme(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    axis = None if x is None else axis_of(call.int_attr("axis"), len(x))
    if x is None or axis is None:
        return [Info(None, INT64)]
    middle = (ONE,) if call.int_attr("keepdims", 1) else ()
    return [Info((*x[:axis], *middle, *x[axis + 1 :]), INT64)]


def _scattered(call: Call) -> Sequence[Info]:
    return [Info(call.shape(0), call.dtype(0))]


def _non_max_suppression(call: Call) -> Sequence[Info]:
    return [Info((call.unifier.fresh(), Dim.of(3)), INT64)]


def _reduce(call: Call) -> Sequence[Info]:
    x = call.info(0)
    keep = call.int_attr("keepdims", 1)
    if x.shape is None:
        return [Info(None, x.dtype)]
    axes = axes_argument(call, len(x.shape))
    if axes is None:
        return [Info(call.fresh(len(x.shape)) if keep else None, x.dtype)]
    if not axes:
        if call.int_attr("noop_with_empty_axes"):
            return [x]
        axes = list(range(len(x.shape)))
    if keep:
        shape = tuple(ONE if i in axes else d for i, d in enumerate(x.shape))
    else:
        shape = tuple(d for i, d in enumerate(x.shape) if i not in axes)
    ints = _reduced(call.node.op_type, x.ints) if len(axes) == len(x.shape) else None
    return [Info(shape, x.dtype, ints)]


def _reduced(op_type: str, ints: Dims | None) -> Dims | None:
    if not ints:
        return None
    steps: dict[str, Callable[[Dim, Dim], Dim]] = {
        "ReduceProd": operator.mul,
        "ReduceSum": operator.add,
        "ReduceMax": Dim.maximum,
        "ReduceMin": Dim.minimum,
    }
    if op_type not in steps:
        return None
    total = ints[0]
    for value in ints[1:]:
        total = steps[op_type](total, value)
    return (total,)


REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
)  # fmt: skip

TABLE: dict[str, Infer] = {
    **dict.fromkeys(REDUCTIONS, _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), _arg_extreme),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND", "TensorScatter"), _scattered),
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "TopK": _top_k,
    "NonZero": _nonzero,
    "Compress": _compress,
    "Unique": _unique,
    "NonMaxSuppression": _non_max_suppression,
}
