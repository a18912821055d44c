"""Optimization profiles: from flags, from named dims, from defaults; checked before the build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pipeline.builder.shapes import InputSpec, Profile, evaluate, names_in
from pipeline.errors import UsageError
from pipeline.records.engine import Shape, ShapeRange
from pipeline.records.tensors import SizeRange

Shapes: TypeAlias = Mapping[str, Shape]

BATCH_DEFAULT = SizeRange(1, 4, 8)
LENGTH_DEFAULT = SizeRange(1, 128, 512)
PAST_DEFAULT = SizeRange(0, 128, 511)


def profiles_from_flags(
    mins: Sequence[Shapes], opts: Sequence[Shapes], maxs: Sequence[Shapes]
) -> tuple[Profile, ...]:
    """Return one profile per repetition of --minShapes / --optShapes / --maxShapes.

    A flag left out takes its neighbour's shapes: opt from max, max and min from opt.

    Raises:
        UsageError: The flags are repeated a different number of times.
    """
    count = max(len(mins), len(opts), len(maxs))
    given = {"--minShapes": mins, "--optShapes": opts, "--maxShapes": maxs}
    for flag, shapes in given.items():
        if shapes and len(shapes) != count:
            raise UsageError(
                f"{flag} occurs {len(shapes)} times, others {count} times",
                fix="repeat the three flags equally often: one set per profile",
            )
    profiles = []
    for i in range(count):
        low, mid, high = (s[i] if s else {} for s in (mins, opts, maxs))
        names = list(dict.fromkeys([*low, *mid, *high]))
        profiles.append({n: _triple(n, low.get(n), mid.get(n), high.get(n)) for n in names})
    return tuple(profiles)


def _triple(name: str, low: Shape | None, mid: Shape | None, high: Shape | None) -> ShapeRange:
    favoured = next((s for s in (mid, high, low) if s is not None), None)
    assert favoured is not None, name
    return ShapeRange(
        min=favoured if low is None else low,
        opt=favoured,
        max=favoured if high is None else high,
    )


def default_ranges(
    inputs: Sequence[InputSpec], limits: Mapping[str, int] | None = None
) -> dict[str, SizeRange]:
    """Return a range for every named dim, by the place it stands in.

    Args:
        inputs: The graph's inputs.
        limits: The largest value a dim may take, e.g. the rows of a position table.
    """
    ranges: dict[str, SizeRange] = {}
    for spec in inputs:
        for axis, dim in enumerate(spec.dims):
            for name in sorted(names_in(dim)):
                ranges.setdefault(name, _default(name, axis))
    for name, limit in (limits or {}).items():
        if name in ranges:
            old = ranges[name]
            ranges[name] = SizeRange(min(old.min, limit), min(old.opt, limit), min(old.max, limit))
    return ranges


def _default(name: str, axis: int) -> SizeRange:
    if axis == 0:
        return BATCH_DEFAULT
    return PAST_DEFAULT if "past" in name.lower() else LENGTH_DEFAULT


def profile_from_ranges(inputs: Sequence[InputSpec], ranges: Mapping[str, SizeRange]) -> Profile:
    """Return the profile that gives every input its shapes at the ends of the named ranges.

    Raises:
        UsageError: A named dim has no range.
    """
    profile: Profile = {}
    lows = {name: r.min for name, r in ranges.items()}
    mids = {name: r.opt for name, r in ranges.items()}
    highs = {name: r.max for name, r in ranges.items()}
    for spec in inputs:
        if not spec.dynamic:
            continue
        profile[spec.name] = ShapeRange(
            *(tuple(_value(spec, d, sizes) for d in spec.dims) for sizes in (lows, mids, highs))
        )
    return profile


def _value(spec: InputSpec, dim: int | str, sizes: Mapping[str, int]) -> int:
    value = evaluate(dim, sizes)
    if value is None:
        raise UsageError(
            f"dim {dim!r} of input {spec.name!r} has no range",
            fix=f"--dim {dim}=1:8:16, or --minShapes/--optShapes/--maxShapes",
        )
    return value


def check_profiles(inputs: Sequence[InputSpec], profiles: Sequence[Profile]) -> None:
    """Refuse what the builder would refuse or, worse, silently ignore.

    Raises:
        UsageError: Naming the profile, the input, the axis and both values.
    """
    by_name = {spec.name: spec for spec in inputs}
    dynamic = [spec for spec in inputs if spec.dynamic]
    if dynamic and not profiles:
        raise UsageError(f"input {dynamic[0].name!r} is dynamic and no profile is given")
    for index, profile in enumerate(profiles):
        for name in profile:
            if name not in by_name:
                raise UsageError(
                    f"profile {index} names the input {name!r}, which the graph does not have",
                    fix=f"its inputs are {', '.join(by_name)}",
                )
        for spec in dynamic:
            if spec.name not in profile:
                raise UsageError(
                    f"profile {index} has no shapes for the dynamic input {spec.name!r}"
                )
        for name, shapes in profile.items():
            _check_shapes(index, by_name[name], shapes)
        _check_links(index, dynamic, profile)


def _check_shapes(index: int, spec: InputSpec, shapes: ShapeRange) -> None:
    where = f"profile {index}, input {spec.name}{_written(spec.dims)}"
    for end in ("min", "opt", "max"):
        shape: Shape = getattr(shapes, end)
        if len(shape) != len(spec.dims):
            raise UsageError(
                f"{end} shape {_written(shape)} has {len(shape)} dims, the input has "
                f"{len(spec.dims)}",
                where=where,
            )
        for axis, (want, have) in enumerate(zip(spec.dims, shape, strict=True)):
            if isinstance(want, int) and want != have:
                raise UsageError(
                    f"{end} shape gives axis {axis} the value {have}, the graph fixes it to {want}",
                    where=where,
                )
    for axis, ends in enumerate(zip(shapes.min, shapes.opt, shapes.max, strict=True)):
        if not ends[0] <= ends[1] <= ends[2]:
            raise UsageError(
                f"axis {axis} is min {ends[0]}, opt {ends[1]}, max {ends[2]}: it must ascend",
                where=where,
                fix="min <= opt <= max on every axis",
            )


def _check_links(index: int, dynamic: Sequence[InputSpec], profile: Profile) -> None:
    """Inputs that share a dim's name must overlap in it, or no run can satisfy both."""
    seen: dict[str, tuple[str, int, int]] = {}
    for spec in dynamic:
        shapes = profile[spec.name]
        for axis, dim in enumerate(spec.dims):
            if isinstance(dim, int):
                continue
            low, high = shapes.min[axis], shapes.max[axis]
            other, first, last = seen.setdefault(dim, (spec.name, low, high))
            if low > last or high < first:
                raise UsageError(
                    f"dim {dim!r} is {first}..{last} in {other!r} and {low}..{high} in "
                    f"{spec.name!r}: no value fits both",
                    where=f"profile {index}",
                )


def _written(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join(str(d) for d in shape) + "]"
