"""The verdicts of the stages that judge."""

from __future__ import annotations

from pipeline.records.parity import ParityRecord
from pipeline.records.perf import PerfRecord
from pipeline.records.record import Made

JUDGES = {"parity": ParityRecord, "perf": PerfRecord}


def verdict_of(made: Made) -> bool | None:
    """Return whether an artifact's stage passed; None for a stage that judges nothing.

    Raises:
        FolderError: its facts are not its record, or of another format.
    """
    judge: type[ParityRecord] | type[PerfRecord] | None = JUDGES.get(made.stage)
    return None if judge is None else judge.of(made).passed
