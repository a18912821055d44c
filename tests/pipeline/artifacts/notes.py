"""A record with next to nothing in it, for stages whose record is not what is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Note(Record):
    """What a stage of a test says."""

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "export"

    text: str = ""
