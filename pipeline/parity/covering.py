"""Cases added for what the usual ones leave out: a long past, a wide batch, ends of tables.

How much is added is a share of what the usual cases cost, by the size of the model and not by a
clock: the same graph always meets the same inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from pipeline.errors import PipelineError
from pipeline.inputs import InputMaker
from pipeline.parity.coverage import Coverage
from pipeline.parity.results import Case

SHARE = 0.6
"""How many more positions may be computed, as a share of those of the usual cases."""

SMALL_WORK = 2e8
"""Weights times positions that take no noticeable time."""

ELEMENTS = 2**22
"""Most numbers that one added case may hold, or a third of the weights where that is more."""

NEW, PAST = 11, 33
"""Tokens and past at the least, where no range is declared: beyond the usual 8 and 5."""

WIDE, WIDEST, UNDECLARED = 5, 16, 8
"""Batches beyond the usual 1, 2 and 3: at the least, where the range ends further up, and where no
range is declared (what an engine takes unless told otherwise)."""

BRANCHING = ("padded", "left-padded", "holes", "length-1", "masked-rows")


@dataclass
class Room:
    """What may still be added.

    Attributes:
        positions: To compute, over all added cases.
        elements: Of one case, its inputs and the rows of its largest output.
        width: Of that output.
    """

    positions: float
    elements: float
    width: int

    def fits(self, positions: int, held: int = 0) -> bool:
        """Return whether a case of so many positions and inputs can be added."""
        wide = positions * self.width + held
        return positions <= self.positions and wide <= self.elements


def covering_cases(
    coverage: Coverage, base: Sequence[Case], pinned: Mapping[str, int]
) -> list[Case]:
    """Return cases that reach what `base` does not, within the room there is.

    Args:
        coverage: What can be reached.
        base: The usual cases.
        pinned: Sizes that are given.
    """
    maker = coverage.maker
    room = _room(maker, coverage, base)
    added: list[Case] = []
    walked = 0
    for make in (_long, _wide):
        for shape in make(coverage, base, room, walked):
            case = _made(maker, {**shape, **pinned}, "rows", walked)
            if case is None or not room.fits(_positions(maker, case.sizes), _held(case)):
                continue
            room.positions -= _positions(maker, case.sizes)
            walked += max((case.feeds[name].size for name in coverage.tables()), default=1)
            added.append(case)
    return added + list(_branching(coverage, [*base, *added], room))


def _room(maker: InputMaker, coverage: Coverage, base: Sequence[Case]) -> Room:
    tensors = [value.const_value for value in maker.model.graph.initializers.values()]
    weights = sum(tensor.size for tensor in tensors if tensor is not None)
    usual = sum(_positions(maker, case.sizes) for case in base)
    return Room(
        positions=max(SHARE * usual, SMALL_WORK / max(weights, 1)),
        elements=max(ELEMENTS, weights / 3),
        width=max([*coverage.tables().values(), 1]),
    )


def _positions(maker: InputMaker, sizes: Mapping[str, int]) -> int:
    """Return what a case computes: everything but its past."""
    return prod(max(size, 1) for name, size in sizes.items() if name not in maker.sizes.pasts)


def _held(case: Case) -> int:
    return 2 * sum(array.size for array in case.feeds.values())  # a cache goes in and comes out


def _least(coverage: Coverage, base: Sequence[Case]) -> dict[str, int]:
    """Return the smallest sizes that were met, sides of images left as they are."""
    return {
        name: min(case.sizes.get(name, 1) for case in base)
        for name in base[0].sizes
        if name not in coverage.maker.sizes.images
    }


def _long(
    coverage: Coverage, base: Sequence[Case], room: Room, walked: int
) -> Iterator[dict[str, int]]:
    """Yield sizes of cases longer than those there are, the longest first."""
    least, sizes = _least(coverage, base), coverage.maker.sizes
    if (sizes.sequences | sizes.pasts) & least.keys():
        for length in _lengths(coverage, least, max(map(coverage.longest, base)), room):
            yield _of_length(coverage, least, length)


def _lengths(coverage: Coverage, least: Mapping[str, int], reached: int, room: Room) -> list[int]:
    """Return lengths beyond those reached: the largest, and the numbers that the graph holds."""
    tops = [r.max for n, r in coverage.ranges.items() if n not in coverage.maker.sizes.batches]
    top = max(tops, default=0) or PAST + NEW
    if not coverage.maker.sizes.pasts & least.keys():
        # Without a past every position is computed: the longest that there is room for.
        while top > reached and not room.fits(top):
            top = max(top // 2, reached)
    held = [n for n in coverage.boundaries if n < top and n > 1]
    beyond = [n + 2 for n in held if n + 2 > reached][-1:]
    wanted = [*beyond] if not tops else [top, *beyond]
    wanted += [top] if not tops else []
    return [n for n in sorted(set(wanted), reverse=True) if n > reached]


def _of_length(coverage: Coverage, least: Mapping[str, int], length: int) -> dict[str, int]:
    """Return sizes with the wanted length: a long past and some new tokens where there is one."""
    sizes = coverage.maker.sizes
    shape = dict(least)
    new = min(NEW, max(1, length // 2)) if sizes.pasts & least.keys() else length
    for name in least:
        if name in sizes.pasts:
            shape[name] = _within(coverage, name, length - new)
        elif name in sizes.sequences:
            shape[name] = _within(coverage, name, new)
    return shape


def _wide(
    coverage: Coverage, base: Sequence[Case], room: Room, walked: int
) -> Iterator[dict[str, int]]:
    """Yield sizes of a batch wider than usual, with tokens for the rows not yet walked through."""
    least, sizes = _least(coverage, base), coverage.maker.sizes
    names = sizes.batches & least.keys()
    if not names:
        return
    several = {n: _within(coverage, n, NEW) for n in sizes.sequences & least.keys()}
    known = [coverage.ranges[n].max for n in names & coverage.ranges.keys()]
    largest = max(known, default=UNDECLARED)
    tokens = max(1, prod(several.values()))
    rows = max(coverage.tables().values(), default=0) - walked
    wide = min(largest, WIDEST)
    wanted = min(largest, max(wide, -(-rows // tokens)))
    for batch, lengths in ((wanted, several), (wide, several), (wide, {}), (WIDE, {})):
        shape = {**least, **lengths, **{n: _within(coverage, n, batch) for n in names}}
        if room.fits(_positions(coverage.maker, shape)):
            yield shape
            return


def _within(coverage: Coverage, name: str, wanted: int) -> int:
    limits = coverage.ranges.get(name)
    return wanted if limits is None else max(limits.min, min(limits.max, wanted))


def _branching(coverage: Coverage, cases: Sequence[Case], room: Room) -> Iterator[Case]:
    """Yield cases of other styles that take a way which none of the cases takes."""
    missing = coverage.branches.wanted() - set().union(*map(coverage.taken, cases))
    middle = cases[min(2, len(cases) - 1)]
    for style in BRANCHING:
        if not missing:
            return
        case = _made(coverage.maker, middle.sizes, style, 7)
        if case is None or not coverage.taken(case) & missing:
            continue
        cost = _positions(coverage.maker, case.sizes)
        if room.fits(cost):
            room.positions -= cost
            missing -= coverage.taken(case)
            yield case


def _made(maker: InputMaker, sizes: Mapping[str, int], style: str, seed: int) -> Case | None:
    """Return a case, None where its sizes contradict the graph."""
    try:
        feeds = maker.make(sizes, seed, style)  # type: ignore[arg-type]
    except PipelineError:
        return None
    told = " ".join(f"{name}={size}" for name, size in sorted(sizes.items()))
    known: Mapping[str, np.ndarray] = feeds
    return Case(f"{told} {style} seed={seed}".strip(), style, dict(sizes), known, seed)
