"""What cases reach: rows of tables, ends of sizes, numbers the graph holds, ways of branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import PipelineError
from pipeline.inputs import InputMaker
from pipeline.inputs.boundaries import boundaries_of
from pipeline.inputs.evidence import Bound
from pipeline.parity.branches import Branches, Outcome
from pipeline.parity.results import Case
from pipeline.records.coverage import CoverageRecord
from pipeline.records.tensors import SizeRange

SHOWN = 8


@dataclass
class Coverage:
    """What can be reached in a graph, to be held against cases.

    Attributes:
        maker: Makes its inputs.
        ranges: Least and largest of its dynamic sizes, where they are known.
        sums: Sizes such as "past + seq"; a sum counts as a length.
        branches: Its conditions.
        boundaries: Number -> the node that holds it.
    """

    maker: InputMaker
    ranges: Mapping[str, SizeRange]
    sums: Sequence[str] = ()
    branches: Branches = field(init=False)
    boundaries: dict[int, str] = field(init=False)
    _taken: dict[str, set[Outcome]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the graph."""
        self.branches = Branches(self.maker.model, self.maker.facts)
        self.boundaries = boundaries_of(self.maker.model, self.maker.facts)

    def longest(self, case: Case) -> int:
        """Return the largest length in a case: of tokens, or of a past with what is new."""
        sizes = self.maker.sizes
        found = self.maker.sizes_of(case.sizes)
        lengths = {name: n for name, n in found.items() if name not in sizes.batches}
        past = max((lengths[name] for name in sizes.pasts & lengths.keys()), default=0)
        new = max((lengths[name] for name in sizes.sequences & lengths.keys()), default=0)
        named = [sum(found.get(t.strip(), 0) for t in total.split("+")) for total in self.sums]
        return max([new, past + (min(new, 1) if past else 0), *named], default=0)

    def taken(self, case: Case) -> set[Outcome]:
        """Return the ways a case takes; none where the graph cannot run at its sizes."""
        if case.name not in self._taken:
            try:
                self._taken[case.name] = self.branches.outcomes(case.feeds)
            except PipelineError:
                self._taken[case.name] = set()
        return self._taken[case.name]

    def tables(self) -> dict[str, int]:
        """Return each input of ids with the rows it may take."""
        return {role.name: rows for role in self.maker.roles if (rows := _rows(role.bounds))}

    def rows(self, name: str, cases: Sequence[Case]) -> np.ndarray:
        """Return the rows of a table that cases read, in order."""
        drawn = [np.unique(case.feeds[name]) for case in cases if name in case.feeds]
        return np.unique(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)

    def record(self, cases: Sequence[Case]) -> tuple[CoverageRecord, ...]:
        """Return what these cases reached, and what they did not."""
        found = [*self._tables(cases), *self._sizes(cases), *self._boundaries(cases)]
        wanted = self.branches.wanted()
        if wanted:
            missing = sorted(wanted - set().union(*map(self.taken, cases)))
            told = [f"{self.branches.places[name]} never {truth}" for name, truth in missing]
            found.append(_record("branches", "", len(wanted), told))
        return tuple(found)

    def _tables(self, cases: Sequence[Case]) -> Iterator[CoverageRecord]:
        for name, rows in self.tables().items():
            drawn = self.rows(name, cases)
            left = np.setdiff1d(np.arange(rows), drawn)
            missing = tuple(f"row {row}" for row in left[:SHOWN])
            yield CoverageRecord(
                kind="rows", name=name, covered=rows - left.size, total=rows, missing=missing
            )

    def _sizes(self, cases: Sequence[Case]) -> Iterator[CoverageRecord]:
        for name, limits in self.ranges.items():
            drawn = {case.sizes[name] for case in cases if name in case.sizes}
            if not drawn:
                continue
            lengths = [n.strip() for total in self.sums if name in total for n in total.split("+")]
            whole = {sum(c.sizes.get(n, 0) for n in lengths) for c in cases} if lengths else set()
            ends = {
                f"least {limits.min}": limits.min in drawn,
                f"largest {limits.max}": limits.max in drawn or max(whole, default=0) >= limits.max,
            }
            if limits.max - limits.min > 1:
                within = any(limits.min < size < limits.max for size in drawn)
                ends[f"between {limits.min} and {limits.max}"] = within
            yield _record("size", name, len(ends), [end for end, met in ends.items() if not met])

    def _boundaries(self, cases: Sequence[Case]) -> Iterator[CoverageRecord]:
        lengths = [self.longest(case) for case in cases]
        if not any(lengths):
            return
        for number, place in self.boundaries.items():
            sides = {
                f"a length up to {number}": any(0 < n <= number for n in lengths),
                f"a length beyond {number}": any(n > number for n in lengths),
            }
            told = [side for side, met in sides.items() if not met]
            yield _record("boundary", f"{number} in {place}", 2, told)


def _rows(bounds: Sequence[Bound]) -> int:
    """Return how many rows every table behind an index has, 0 where that is open."""
    limits = []
    for bound in bounds:
        rows = bound.size.const
        if bound.is_table and bound.slope > 0 and rows is not None:
            limits.append(int((rows - 1 - bound.offset) // bound.slope) + 1)
    return max(min(limits, default=0), 0)


def _record(kind: str, name: str, total: int, missing: Sequence[str]) -> CoverageRecord:
    shown = tuple(missing[:SHOWN])
    covered = total - len(missing)
    return CoverageRecord(kind=kind, name=name, covered=covered, total=total, missing=shown)
