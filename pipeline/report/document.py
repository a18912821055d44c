"""A document as data: sections of blocks, rendered to HTML and to markdown from the same values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

State = Literal["good", "bad", "open", "info"]


@dataclass(frozen=True)
class Badge:
    """A verdict word."""

    text: str
    state: State


@dataclass(frozen=True)
class Bar:
    """A share drawn as a bar with its text; above 1 it is over the limit."""

    share: float
    text: str


@dataclass(frozen=True)
class Code:
    """A name from the machine's world: a file, a tensor, a module path."""

    text: str


Cell: TypeAlias = str | Badge | Bar | Code


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Attributes:
        columns: Headings; one that starts with ">" is aligned to the right.
        stack: On a narrow screen each row becomes a card; otherwise the table scrolls.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    stack: bool = False


@dataclass(frozen=True)
class Figure:
    """Inline SVG with its caption."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Figures:
    """Plots side by side where there is room."""

    items: Sequence[Figure]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    state: State | None = None


@dataclass(frozen=True)
class Pre:
    """Text in fixed width."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Details:
    """Blocks behind a line that opens them."""

    summary: str
    blocks: Sequence[Block]


Block: TypeAlias = "Table | Figures | Text | Pre | Heading | Details"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: For links.
        lead: One or two sentences that say what is shown.
    """

    anchor: str
    title: str
    lead: str
    blocks: Sequence[Block] = field(default=())


def kind(block: object) -> str:
    """Return the block's or cell's type name, for templates."""
    return type(block).__name__.lower()
