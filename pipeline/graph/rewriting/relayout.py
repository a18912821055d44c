"""Emitting the fewest nodes that turn a view's base into a wanted layout."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.views.view import Axes, Axis, Factor, View, axis_size


class LayoutError(Exception):
    """A layout that cannot be emitted; lowerings turn it into a refusal."""


def relayout(emit: Emitter, view: View, target: Axes) -> ir.Value:
    """Return a value holding the view's data with the axes grouped as in `target`.

    Every factor of the view's source must occur in `target`; target factors that the source
    lacks are materialised by Expand.

    Raises:
        LayoutError: A size is not computable from the graph's inputs or the view's base.
    """
    if lies_as(view, target):
        return view.base
    wanted = [factor for axis in target for factor in axis]
    held = {factor for axis in view.source for factor in axis}
    if missing := held - set(wanted):
        raise LayoutError(f"axes {sorted(map(str, missing))} have no place in the wanted layout")
    value, units = _cut(emit, view, wanted)
    value, units = _transposed(emit, value, units, wanted)
    absent = [factor for factor in wanted if factor not in held]
    if absent:
        value, units = _expanded(emit, view, value, units, target, set(absent))
    return _grouped(emit, view, value, units, target)


def lies_as(view: View, target: Axes) -> bool:
    """Whether the view's base has the wanted layout already."""
    return len(view.source) == len(target) and all(
        len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
        for a, b in zip(view.source, target, strict=True)
    )


def _cut(emit: Emitter, view: View, wanted: list[Factor]) -> tuple[ir.Value, list[Axis]]:
    """Split the base's axes where their factors part ways in the wanted order."""
    place = {factor: i for i, factor in enumerate(wanted)}
    units: list[Axis] = []
    for axis in view.source:
        run: list[Factor] = []
        for factor in axis:
            if run and place[factor] != place[run[-1]] + 1:
                units.append(tuple(run))
                run = []
            run.append(factor)
        units.append(tuple(run))
    if len(units) == len(view.source):
        return view.base, units
    return reshape_to(emit, view.base, [axis_size(u) for u in units], view.base), units


def _transposed(
    emit: Emitter, value: ir.Value, units: list[Axis], wanted: list[Factor]
) -> tuple[ir.Value, list[Axis]]:
    place = {factor: i for i, factor in enumerate(wanted)}
    anchors: list[float] = []
    last = -1.0
    for unit in units:  # axes of size 1 travel with their left neighbour
        last = float(place[unit[0]]) if unit else last + 1e-3
        anchors.append(last)
    order = sorted(range(len(units)), key=lambda i: anchors[i])
    if order == list(range(len(units))):
        return value, units
    return emit.one("Transpose", [value], {"perm": order}), [units[i] for i in order]


def _expanded(
    emit: Emitter,
    view: View,
    value: ir.Value,
    units: list[Axis],
    target: Axes,
    absent: set[Factor],
) -> tuple[ir.Value, list[Axis]]:
    """Insert the factors the source lacks, first as axes of 1, then repeated."""
    unit_of = {factor: i for i, unit in enumerate(units) for factor in unit}
    full: list[Axis] = []
    held: tuple[int, int] | None = None
    for place, axis in enumerate(target):
        for factor in axis:
            key = (place, unit_of.get(factor, -1))
            full = [*full[:-1], (*full[-1], factor)] if key == held else [*full, (factor,)]
            held = key
    ones = [ONE if unit[0] in absent else axis_size(unit) for unit in full]
    value = _regroup(emit, view, value, [axis_size(u) for u in units], ones)
    sizes = [axis_size(unit) if unit[0] in absent else ONE for unit in full]
    shape = shape_operand(emit, sizes, view.base)
    return emit.one("Expand", [value, shape]), full


def _grouped(
    emit: Emitter, view: View, value: ir.Value, units: list[Axis], target: Axes
) -> ir.Value:
    sizes = [axis_size(axis) for axis in target]
    return _regroup(emit, view, value, [axis_size(u) for u in units], sizes)


def _regroup(
    emit: Emitter, view: View, value: ir.Value, held: list[Dim], sizes: list[Dim]
) -> ir.Value:
    """Reshape, as Unsqueeze or Squeeze where only axes of 1 come or go."""
    if held == sizes:
        return value
    core = [d for d in held if d != ONE]
    if core == [d for d in sizes if d != ONE]:
        drop = [i for i, d in enumerate(held) if d == ONE]
        if drop:
            value = emit.one("Squeeze", [value, emit.ints(drop)])
        new = [i for i, d in enumerate(sizes) if d == ONE]
        return emit.one("Unsqueeze", [value, emit.ints(new)]) if new else value
    if drop := [i for i, d in enumerate(held) if d == ONE]:
        # without its axes of 1 more sizes stay in place, and need not be computed
        value = emit.one("Squeeze", [value, emit.ints(drop)])
    wide = [d for d in sizes if d != ONE]
    value = reshape_to(emit, value, wide, view.base)
    new = [i for i, d in enumerate(sizes) if d == ONE]
    return emit.one("Unsqueeze", [value, emit.ints(new)]) if new else value


def reshape_to(emit: Emitter, value: ir.Value, sizes: Sequence[Dim], source: ir.Value) -> ir.Value:
    """Return the value reshaped; sizes are copied (0), inferred (-1) or computed as needed."""
    held = emit.facts.shape(value) or ()
    spec: list[int | None] = []
    for i, size in enumerate(sizes):
        if size.const is not None and size.const > 0:
            spec.append(size.const)
        elif i < len(held) and held[i] == size:
            spec.append(0)
        else:
            spec.append(None)
    left = [i for i, number in enumerate(spec) if number is None]
    if left:  # the one that is hardest to compute is inferred
        spec[max(left, key=lambda i: (_find_axis(emit, sizes[i], (source,)) is None, -i))] = -1
    dims = [sizes[i] if n is None else Dim.of(n) for i, n in enumerate(spec)]
    return emit.one("Reshape", [value, shape_operand(emit, dims, source)])


def shape_operand(emit: Emitter, sizes: Sequence[Dim], *sources: ir.Value) -> ir.Value:
    """Return an int64 vector with these sizes, read off `sources` or else the graph's inputs.

    Raises:
        LayoutError: A size is an axis of none of them.
    """
    if all(size.const is not None for size in sizes):
        return emit.ints([size.const or 0 for size in sizes])
    pieces: list[ir.Value] = []
    run: list[int] = []
    for size in sizes:
        if size.const is not None:
            run.append(size.const)
            continue
        if run:
            pieces.append(emit.ints(run))
            run = []
        pieces.append(size_operand(emit, size, *sources))
    if run:
        pieces.append(emit.ints(run))
    return pieces[0] if len(pieces) == 1 else emit.one("Concat", pieces, {"axis": 0})


def size_operand(emit: Emitter, size: Dim, *sources: ir.Value) -> ir.Value:
    """Return one size as an int64 vector of length 1.

    Raises:
        LayoutError: A named size is no axis of `sources` nor of any input of the graph.
    """
    place = _find_axis(emit, size, sources)
    if place is not None:
        value, axis = place
        return emit.one("Shape", [value], {"start": axis, "end": axis + 1})
    terms = size.monomials()
    if terms is None:
        raise LayoutError(f"the size {size} is not computable from the graph's inputs")
    total: ir.Value | None = None
    for coefficient, factors in terms:
        product: ir.Value | None = emit.ints([coefficient]) if coefficient != 1 else None
        for name in factors:
            if Dim.of(name) == size:
                raise LayoutError(f"the size {name} is no axis of a graph input")
            one = size_operand(emit, Dim.of(name), *sources)
            product = one if product is None else emit.one("Mul", [product, one])
        part = product if product is not None else emit.ints([1])
        total = part if total is None else emit.one("Add", [total, part])
    return total if total is not None else emit.ints([0])


def _find_axis(
    emit: Emitter, size: Dim, sources: Sequence[ir.Value]
) -> tuple[ir.Value, int] | None:
    for value in (*sources, *emit.sources):
        for axis, dim in enumerate(emit.facts.shape(value) or ()):
            if dim == size:
                return value, axis
    return None
