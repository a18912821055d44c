"""Results that show themselves in a notebook: tables, written as HTML and as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Grid:
    """A table under a line of text; every cell is plain text, escaped where it is written.

    Attributes:
        title: What is shown, with its verdict.
        columns: Headings; without any there is only the title.
        rows: Cells in the order of the columns.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


class Shown:
    """What a result adds to its class to be shown: `grids` says what, this writes it."""

    def grids(self) -> Sequence[Grid]:
        """Return what to show, most important first."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return "\n".join(_html(grid) for grid in self.grids())

    def _repr_markdown_(self) -> str:
        return "\n\n".join(_markdown(grid) for grid in self.grids())


def verdict(passed: bool | None) -> str:
    """Return a verdict as a word; empty where nothing was judged."""
    return {True: "passed", False: "FAILED", None: ""}[passed]


def table_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown; no cell can end its column or its line."""
    rule = "|" + "|".join(" --- " for _ in columns) + "|"
    return "\n".join([_line(columns), rule, *(_line(row) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def _markdown(grid: Grid) -> str:
    title = f"**{_inert(grid.title)}**"
    if not grid.columns:
        return title
    rows = [[_inert(cell) for cell in row] for row in grid.rows]
    return f"{title}\n\n{table_markdown([_inert(name) for name in grid.columns], rows)}"


def _inert(text: str) -> str:
    """Return text that a notebook's markdown, where HTML counts, shows as it is."""
    for mark in ("\\", "`", "*", "_", "[", "]", "$"):
        text = text.replace(mark, f"\\{mark}")
    return escape(text, quote=False)


def _html(grid: Grid) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in grid.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid.rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<p><strong>{escape(grid.title)}</strong></p>" + (table if grid.columns else "")
