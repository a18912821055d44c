"""What a run did, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.notebook import Grid, Shown, verdict
from pipeline.records.run import RunRecord, RunStatus, StageEntry


@dataclass(frozen=True)
class StageOutcome:
    """What became of one stage.

    Attributes:
        name: The stage, with its variant where there are several.
        status: "not run" if this machine lacks what it needs; "would make" and "waits" (for an
            earlier stage) when only planning.
        detail: Why, in words; empty if there is nothing to say.
        seconds: Wall time in this run.
        artifact: What it left, None if nothing.
        passed: The stage's own verdict; None for a stage that judges nothing.
    """

    name: str
    status: RunStatus
    detail: str = ""
    seconds: float = 0.0
    artifact: Artifact | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class RunResult(Shown):
    """What became of all stages.

    Attributes:
        folder: The artifact folder.
        outcomes: In the order of work.
        report: The page that was written, None if that stage was left out.

    Examples:
        >>> from pipeline import RunOptions, run_pipeline
        >>> options = RunOptions("bert-tiny", "out", targets=("ort-cpu",), skip=("parity", "perf"))
        >>> [outcome.name for outcome in run_pipeline(options, dry_run=True).outcomes]
        ['export', 'optimize ort-cpu', 'report']
    """

    folder: Path
    outcomes: tuple[StageOutcome, ...]
    report: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether no stage that judges said no."""
        return all(outcome.passed is not False for outcome in self.outcomes)

    def grids(self) -> list[Grid]:
        """Return a table of the stages, for a notebook."""
        rows = [
            (o.name, o.status, f"{o.seconds:.1f}" if o.status == "made" else "", verdict(o.passed),
             o.detail)
            for o in self.outcomes
        ]  # fmt: skip
        title = f"{self.folder}: {verdict(self.passed)}"
        return [Grid(title, ("stage", "what became of it", "seconds", "verdict", "why"), rows)]

    def record(self) -> RunRecord:
        """Return everything as `pipeline run --json` tells it."""
        return RunRecord(
            folder=str(self.folder),
            passed=self.passed,
            report=str(self.report) if self.report else None,
            stages=tuple(_entry(outcome) for outcome in self.outcomes),
        )


def _entry(outcome: StageOutcome) -> StageEntry:
    made = outcome.artifact
    return StageEntry(
        stage=outcome.name,
        status=outcome.status,
        detail=outcome.detail,
        seconds=round(outcome.seconds, 3),
        passed=outcome.passed,
        key=made.key if made else None,
        digest=made.digest if made else None,
        files=made.files if made else (),
    )
