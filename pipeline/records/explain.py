"""What `explain` says of graphs, and what lowerings there are; neither is kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.records.optimize import GraphRecord, SiteRecord
from pipeline.records.record import Record


@dataclass(frozen=True, kw_only=True)
class LoweringRecord:
    """One lowering: what it is called, what it lowers, where it is specified, how exact it is.

    Examples:
        >>> from pipeline import list_lowerings
        >>> lowering = list_lowerings("onnx")[0]
        >>> lowering.source.startswith("https://")
        True
    """

    name: str
    construct: str
    source: str
    exact: str


@dataclass(frozen=True, kw_only=True)
class ExplainRecord(Record):
    """What `explain` says: what would become of every graph; nothing was written.

    Attributes:
        target: What they would be optimized for.
        parts: By name.

    Examples:
        >>> from pipeline import ExplainOptions, explain_model
        >>> explain_model(ExplainOptions("model.onnx")).parts["model"].count("norm").refused
        0
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "explain"
    EMPTY: ClassVar[frozenset[str]] = frozenset({"typing"})

    target: str
    parts: Mapping[str, GraphRecord]

    def sites(self) -> Iterator[SiteRecord]:
        """Yield the sites of all graphs."""
        for part in self.parts.values():
            yield from part.sites
