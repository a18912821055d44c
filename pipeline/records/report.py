"""Everything a folder knows, as the report's data.json holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from pipeline.records.bundle import CaseOutcome
from pipeline.records.claim import Claim
from pipeline.records.engine import EngineRecord
from pipeline.records.export import ExportRecord
from pipeline.records.files import FileRecord
from pipeline.records.machine import Machine
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.parity import ParityResult
from pipeline.records.perf import PerfResult
from pipeline.records.record import Finite, Record
from pipeline.records.verdict import passed_by


@dataclass(frozen=True, kw_only=True)
class StageData:
    """One artifact.

    Attributes:
        facts: Its record, as the stage wrote it.
        made: UTC time.
        log: Lines noted while it was made.
    """

    stage: str
    key: str
    digest: str
    made: str
    seconds: Finite
    peak_rss_bytes: int
    files: tuple[FileRecord, ...]
    facts: Mapping[str, object]
    versions: Mapping[str, str]
    parents: Mapping[str, str]
    log: tuple[str, ...]

    @property
    def verb(self) -> str:
        """The stage without its variant."""
        return self.stage.partition(".")[0]

    @property
    def variant(self) -> str:
        """What comes after the stage, empty for most."""
        return self.stage.partition(".")[2]

    @cached_property
    def passed(self) -> bool | None:
        """The stage's own verdict; None for a stage that judges nothing."""
        return passed_by(self.stage, self.facts, self.stage)


@dataclass(frozen=True, kw_only=True)
class MeasuredElsewhere:
    """One candidate as a bundle on another machine found it.

    Attributes:
        ran: Whether that machine could run it.
        right: None where it did not.
        device: What ran it, or why nothing did.
        latency_ms: Raw samples by case, one list per round.
        median_ms: Over all rounds, by case.
    """

    name: str
    precision: str
    ran: bool
    right: bool | None
    device: str
    latency_ms: Mapping[str, tuple[tuple[Finite, ...], ...]]
    cases: tuple[CaseOutcome, ...]
    median_ms: Mapping[str, Finite]

    @property
    def stage(self) -> str:
        """The stage that made it, as `changed` names stages."""
        variant = self.name.partition(".")[2]
        if self.name.endswith(".engine"):
            return f"build-engine.{variant.removesuffix('.engine')}"
        return "export" if variant == "exported" else f"optimize.{variant}"


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What one bundle measured.

    Attributes:
        machine: System, Python, numpy and GPU of the other machine.
        when: UTC time.
        changed: Stages that were made again since it was packed.
        file: Where it is kept.
    """

    machine: Mapping[str, str]
    when: str
    measured: tuple[MeasuredElsewhere, ...]
    changed: tuple[str, ...]
    file: str

    def current(self) -> tuple[MeasuredElsewhere, ...]:
        """Return what was measured on graphs and engines that are still those of the folder."""
        return tuple(row for row in self.measured if row.stage not in self.changed)


@dataclass(frozen=True, kw_only=True)
class ReportData(Record):
    """A folder, its artifacts in the order of the stages.

    Attributes:
        key: Hash of everything the report is made from.
        name: Of the folder.
        machine: That the report was written on.
        parity, perf: What the judging stages found, whole; None where there is none.
        claims: Every promise, checked again.
        elsewhere: What bundles measured.
        pages: The pages written from this -> their sha256; empty before they are.
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "report"

    key: str
    name: str
    machine: Machine
    stages: tuple[StageData, ...]
    parity: ParityResult | None
    perf: PerfResult | None
    claims: tuple[Claim, ...]
    elsewhere: tuple[Elsewhere, ...]
    pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing on the page failed."""
        broken = any(claim.state == "broken" for claim in self.claims)
        wrong = any(row.right is False for bundle in self.elsewhere for row in bundle.current())
        return not broken and not wrong and all(s.passed is not False for s in self.stages)

    @cached_property
    def export(self) -> ExportRecord | None:
        """The export, None where there is none."""
        found = (stage for stage in self.stages if stage.stage == "export")
        return next((ExportRecord.from_json(stage.facts, stage.stage) for stage in found), None)

    @cached_property
    def optimized(self) -> dict[str, OptimizeRecord]:
        """The optimized graphs by variant."""
        return {
            stage.variant: OptimizeRecord.from_json(stage.facts, stage.stage)
            for stage in self.stages
            if stage.verb == "optimize"
        }

    @cached_property
    def engines(self) -> dict[str, EngineRecord]:
        """The engines by variant."""
        return {
            stage.variant: EngineRecord.from_json(stage.facts, stage.stage)
            for stage in self.stages
            if stage.verb == "build-engine"
        }
