"""Operators that rearrange: Reshape, Transpose, Squeeze, Concat, Split, Expand, Tile, Pad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.graph.inference.call import (
    INTS_LIMIT,
    Call,
    Dims,
    Infer,
    Info,
    axes_argument,
    axis_of,
    flat,
    grid,
)
from pipeline.graph.sizes.dims import ONE, ZERO, Dim, product

SMALL = range(INTS_LIMIT + 1)


def _reshape(call: Call) -> Sequence[Info]:
    x, target = call.info(0), call.ints(1)
    if target is None:
        rank = call.shape(1)
        length = rank[0].const if rank and len(rank) == 1 else None
        return [Info(None if length is None or length > 64 else call.fresh(length), x.dtype)]
    shape = _reshaped(call, x.shape, target)
    return [Info(shape, x.dtype, x.ints)]


def _reshaped(call: Call, source: Dims | None, target: Dims) -> Dims:
    copies = not call.int_attr("allowzero")
    dims: list[Dim | None] = []
    for axis, wanted in enumerate(target):
        if wanted == ZERO and copies:
            known = source is not None and axis < len(source)
            dims.append(source[axis] if known and source else call.unifier.fresh())
        elif wanted == -1:
            dims.append(None)
        else:
            dims.append(call.size(wanted))
    if source is None:
        return tuple(call.unifier.fresh() if d is None else d for d in dims)
    if None in dims:
        rest = _quotient(call, list(source), [d for d in dims if d is not None])
        return tuple(rest if d is None else d for d in dims)
    shape = tuple(d for d in dims if d is not None)
    return _balance(call, source, shape)


def _quotient(call: Call, above: list[Dim], below: list[Dim]) -> Dim:
    """Return product(above) / product(below), which is exact when the graph runs."""
    for dim in list(below):
        if dim in above:
            above.remove(dim)
            below.remove(dim)
    total, rest = product(above), product(below)
    exact = total.exact_div(rest) if rest != ZERO else None
    if exact is not None:
        return exact
    if rest == ZERO or any(s[0] == "?" for s in rest.symbols):
        return call.unifier.fresh()
    return total // rest


def _balance(call: Call, source: Dims, shape: Dims) -> Dims:
    """Return the shape, made consistent with holding as many elements as the source."""
    above, below = list(source), list(shape)
    for dim in shape:
        if dim in above:
            above.remove(dim)
            below.remove(dim)
    if not above and not below:
        return shape
    left, right = product(above), product(below)
    if left == right:
        return shape
    unknown = [d for d in below if len(d.atoms) == 1 and str(d).startswith("$")]
    if len(unknown) == 1:
        below.remove(unknown[0])
        exact = left.exact_div(product(below)) if product(below) != ZERO else None
        if exact is not None:
            call.unifier.unify(unknown[0], exact)
    elif len(above) == 1 and right.exact_div(above[0]) is None:
        call.unifier.unify(above[0], right)
    elif len(below) == 1:
        call.unifier.unify(below[0], left)
    else:
        for dim in above:
            a, b = left.exact_div(dim), right.exact_div(dim)
            left, right = (left, right) if a is None or b is None else (a, b)
        # What a trace froze: rows * batch * 64 in the shape [6, 4 * batch, 16] means rows = 6.
        if left in above and right.is_const:
            call.unifier.unify(left, right)
    return call.unifier.resolve(shape) or shape


def _transpose(call: Call) -> Sequence[Info]:
    x = call.info(0)
    order = call.ints_attr("perm")
    if x.shape is None:
        return [Info(None if order is None else call.fresh(len(order)), x.dtype)]
    if order is None:
        order = list(range(len(x.shape)))[::-1]
    if sorted(order) != list(range(len(x.shape))):
        return [Info(None, x.dtype)]
    contents = grid(x)
    ints = None if contents is None else flat(contents.transpose(order))
    return [Info(tuple(x.shape[i] for i in order), x.dtype, ints)]


def _unsqueeze(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(None, x.dtype)]
    count = call.ints_attr("axes")
    length = len(count) if count is not None else None
    if length is None:
        found = call.const_ints(1)
        length = None if found is None else len(found)
    if length is None:
        return [Info(None, x.dtype)]
    rank = len(x.shape) + length
    axes = axes_argument(call, rank)
    if axes is None or len(set(axes)) != length:
        return [Info(None, x.dtype)]
    rest = iter(x.shape)
    shape = tuple(ONE if i in axes else next(rest) for i in range(rank))
    return [Info(shape, x.dtype, x.ints)]


def _squeeze(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(None, x.dtype)]
    axes = axes_argument(call, len(x.shape))
    if axes is None:
        return [Info(None, x.dtype)]
    if not axes and not call.has(1):
        if not all(d.is_const for d in x.shape):
            return [Info(None, x.dtype)]  # which axes go depends on the sizes
        axes = [i for i, d in enumerate(x.shape) if d == ONE]
    shape = tuple(d for i, d in enumerate(x.shape) if i not in axes)
    return [Info(shape, x.dtype, x.ints)]


def _flatten(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(call.fresh(2), x.dtype)]
    axis = call.int_attr("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return [Info((product(x.shape[:axis]), product(x.shape[axis:])), x.dtype, x.ints)]


def _concat(call: Call) -> Sequence[Info]:
    infos = [call.info(i) for i in range(len(call.node.inputs))]
    shapes = [i.shape for i in infos if i.shape is not None]
    dtype = infos[0].dtype
    if not shapes:
        return [Info(None, dtype)]
    rank = len(shapes[0])
    axis = axis_of(call.int_attr("axis", 1), rank)
    if axis is None or any(len(s) != rank for s in shapes):
        return [Info(None, dtype)]
    dims = list(shapes[0])
    for shape in shapes[1:]:
        for i, dim in enumerate(shape):
            if i != axis:
                dims[i] = call.unifier.unify(dims[i], dim)
    total = ZERO
    for shape in shapes:
        total = total + shape[axis]
    dims[axis] = total if len(shapes) == len(infos) else call.unifier.fresh()
    ints = _joined(call) if rank == 1 else _stacked(infos, axis)
    return [Info(call.unifier.resolve(tuple(dims)), dtype, ints)]


def _stacked(infos: Sequence[Info], axis: int) -> Dims | None:
    grids = [grid(i) for i in infos]
    parts = [g for g in grids if g is not None]
    return flat(np.concatenate(parts, axis)) if len(parts) == len(infos) else None


def _joined(call: Call) -> Dims | None:
    """Return the contents of joined vectors; unknown parts of known length are fresh integers."""
    parts = [call.ints(i) for i in range(len(call.node.inputs))]
    if all(call.known_ints(i) is None for i in range(len(parts))):
        return None
    joined = [d for part in parts if part is not None for d in part]
    return None if None in parts or len(joined) > INTS_LIMIT else tuple(joined)


def _split(call: Call) -> Sequence[Info]:
    x, count = call.info(0), len(call.node.outputs)
    if x.shape is None:
        return [Info(None, x.dtype)] * count
    axis = axis_of(call.int_attr("axis"), len(x.shape))
    if axis is None:
        return [Info(None, x.dtype)] * count
    sizes = _split_sizes(call, x.shape[axis], count)
    infos, start, contents = [], 0, grid(x)
    for size in sizes:
        length, ints = size.const, None
        if contents is not None and length is not None:
            ints = flat(contents.take(range(start, start + length), axis))
            start += length
        infos.append(Info((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype, ints))
    return infos


def _split_sizes(call: Call, total: Dim, count: int) -> Sequence[Dim]:
    given = call.ints_attr("split")
    sizes = [Dim.of(s) for s in given] if given else None
    if sizes is None and call.has(1):
        found = call.ints(1)
        sizes = None if found is None else [call.size(d) for d in found]
        return sizes if sizes is not None and len(sizes) == count else call.fresh(count)
    if sizes is not None:
        return sizes if len(sizes) == count else call.fresh(count)
    # Equal parts; since opset 18 the last one is smaller when the total is not a multiple.
    whole = total.exact_div(count)
    if whole is not None:
        return [whole] * count
    part = (total + count - 1) // count
    return [part] * (count - 1) + [total - part * (count - 1)]


def _expand(call: Call) -> Sequence[Info]:
    x, target = call.info(0), call.ints(1)
    if target is None:
        return [Info(None, x.dtype)]
    wanted = tuple(call.size(d) for d in target)
    shape = call.unifier.broadcast(x.shape, wanted)
    numbers = [d.const for d in shape] if shape is not None else [None]
    contents = grid(x)
    ints = None
    if contents is not None and None not in numbers and product(shape or ()).const in SMALL:
        ints = flat(np.broadcast_to(contents, [n for n in numbers if n is not None]))
    return [Info(shape, x.dtype, ints)]


def _tile(call: Call) -> Sequence[Info]:
    x, repeats = call.info(0), call.ints(1)
    if x.shape is None or repeats is None or len(repeats) != len(x.shape):
        return [Info(None if x.shape is None else call.fresh(len(x.shape)), x.dtype)]
    shape = tuple(d * call.size(r) for d, r in zip(x.shape, repeats, strict=True))
    times, contents = [r.const for r in repeats], grid(x)
    ints = None
    if contents is not None and None not in times and product(shape).const in SMALL:
        ints = flat(np.tile(contents, [n for n in times if n is not None]))
    return [Info(shape, x.dtype, ints)]


def _pad(call: Call) -> Sequence[Info]:
    x = call.info(0)
    if x.shape is None:
        return [Info(None, x.dtype)]
    rank = len(x.shape)
    given = call.ints_attr("pads")
    pads = tuple(Dim.of(p) for p in given) if given is not None else call.ints(1)
    axes: list[int | None] = list(range(rank))
    if call.has(3):
        found = call.const_ints(3)
        axes = [None] if found is None else [axis_of(a, rank) for a in found]
    if pads is None or None in axes or len(pads) != 2 * len(axes):
        return [Info(call.fresh(rank), x.dtype)]
    dims = list(x.shape)
    for i, axis in enumerate(axes):
        assert axis is not None
        size = dims[axis] + pads[i] + pads[i + len(axes)]
        unknown = any(s.startswith("?") for s in size.symbols)
        dims[axis] = call.unifier.fresh() if unknown else size
    return [Info(tuple(dims), x.dtype)]


TABLE: dict[str, Infer] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Flatten": _flatten,
    "Concat": _concat,
    "Split": _split,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
}
