"""The verdicts of the stages that judge."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.records.parity import ParityRecord
from pipeline.records.perf import PerfRecord
from pipeline.records.record import Made

JUDGES: Mapping[str, type[ParityRecord] | type[PerfRecord]] = {
    "parity": ParityRecord,
    "perf": PerfRecord,
}


def verdict_of(made: Made) -> bool | None:
    """Return whether an artifact's stage passed; None for a stage that judges nothing.

    Raises:
        FolderError: its facts are not its record, or of another format.
    """
    return passed_by(made.stage, made.facts, f"{made.folder}, {made.stage}")


def passed_by(stage: str, facts: object, where: str) -> bool | None:
    """Return whether a stage's facts say that it passed; None for a stage that judges nothing.

    Raises:
        FolderError: they are not its record, or of another format.
    """
    return JUDGES[stage].from_json(facts, where).passed if stage in JUDGES else None
