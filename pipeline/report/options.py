"""What `pipeline report` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.options import settle


@dataclass(frozen=True)
class ReportOptions:
    """Everything that decides a report.

    Attributes:
        folder: The artifact folder to report on.
        with_results: Results that a bundle of `pipeline pack` measured on another machine; they
            are kept in the folder and appear in this and every later report.
        output: Where to put report.html, report.md and data.json; the folder itself when absent.

    Examples:
        >>> from pipeline import ReportOptions
        >>> ReportOptions("out", output="page").output.name
        'page'
    """

    folder: Path
    with_results: tuple[Path, ...] = ()
    output: Path | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a value that is no path."""
        settle(self)
