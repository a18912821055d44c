"""What another runtime made of a package: kept in the folder it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.records.record import Record

KEPT = "packages"
"""Folder, inside the artifact folder, that keeps these records: one per runtime and variant."""


@dataclass(frozen=True)
class Finding:
    """One question and whether the runtime answered it right.

    Attributes:
        what: What was asked.
        right: Whether the answer was right; None where that could not be asked here.
        says: By how much it was off, or what came instead.
    """

    what: str
    right: bool | None
    says: str


@dataclass(frozen=True, kw_only=True)
class PackageRecord(Record):
    """One package and its verdict.

    Attributes:
        runtime: What it is for, such as `optimum`.
        variant: The stage whose graphs are in it.
        artifacts: Stage -> digest of what was packaged.
        when: UTC time.
        size_bytes: Of its files.
        right: Whether every answer was right; None where nothing was asked.
        reason: Why nothing was.
        findings: Question by question.
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "package"

    runtime: str
    variant: str
    artifacts: Mapping[str, str]
    when: str
    size_bytes: int
    right: bool | None
    reason: str
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """Where it is kept, relative to the folder."""
        return f"{KEPT}/{self.runtime}.{self.variant}.json"
