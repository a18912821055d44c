"""What the cases of a comparison reached, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.records.coverage import CoverageRecord
from pipeline.report.document import Cell, Table


def reached(coverage: Sequence[CoverageRecord]) -> Table:
    """Return one row per thing that inputs can reach, with the first that they did not."""
    rows: list[list[Cell]] = [
        [one.kind, one.name, f"{one.covered} of {one.total}", ", ".join(one.missing)]
        for one in coverage
    ]
    return Table(("kind", "of", ">reached", "not reached, the first"), rows)
