"""What a run did, stage by stage, as `pipeline run --json` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from pipeline.records.files import FileRecord
from pipeline.records.record import Finite, Record

RunStatus: TypeAlias = Literal["made", "reused", "not run", "would make", "waits"]


@dataclass(frozen=True, kw_only=True)
class StageEntry:
    """What became of one stage.

    Attributes:
        stage: Its name, with its variant where there are several.
        status: "not run" if this machine lacks what it needs; "would make" and "waits" (for an
            earlier stage) when only planning.
        detail: Why, in words; empty if there is nothing to say.
        seconds: Wall time in this run.
        passed: The stage's own verdict; None for a stage that judges nothing.
        key, digest: Of what it left; None if nothing.
        files: What it left.
    """

    stage: str
    status: RunStatus
    detail: str
    seconds: Finite
    passed: bool | None
    key: str | None
    digest: str | None
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """What became of all stages.

    Attributes:
        folder: The artifact folder.
        passed: Whether no stage that judges said no.
        report: The page that was written, None if that stage was left out.
        stages: In the order of work.
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "run"

    folder: str
    passed: bool
    report: str | None
    stages: tuple[StageEntry, ...]
