"""The document as an HTML page and as markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pipeline.notebook import table_markdown
from pipeline.report.document import (
    Badge,
    Bar,
    Block,
    Cell,
    Code,
    Details,
    Heading,
    Pre,
    Section,
    Table,
    Text,
    kind,
)
from pipeline.report.verdicts import Card

TEMPLATES = Path(__file__).with_name("templates")
BREAK_AFTER = ".:/_-"


@dataclass(frozen=True)
class Page:
    """Everything on the page.

    Attributes:
        facts: One-line facts under the title.
        notes: What must be read before anything else.
        cards: Verdicts, see `pipeline.report.verdicts`.
        written: Date and time.
    """

    title: str
    facts: Sequence[str]
    notes: Sequence[Text]
    cards: Sequence[Card]
    sections: Sequence[Section]
    written: str
    version: str


def to_html(page: Page) -> str:
    """Return one self-contained HTML file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def breakable(text: str) -> Markup:
        """Allow a line break after each separator of a path or a dotted name."""
        escaped = str(escape(text))
        for mark in BREAK_AFTER:
            escaped = escaped.replace(mark, f"{mark}<wbr>")
        return Markup(escaped)

    def ticks(text: str) -> Markup:
        """Set what stands between backticks in fixed width."""
        shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
        return Markup(shown)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["kind_of"] = kind
    environment.filters |= {"breakable": breakable, "ticks": ticks}
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    template = environment.get_template("page.html.j2")
    return template.render(page=page, style=Markup(style))


def to_markdown(page: Page) -> str:
    """Return the page as markdown; plots are left to the HTML."""
    lines = [f"# {_inert(page.title)}", "", " · ".join(map(_inert, page.facts)), ""]
    lines += [f"> {_inert(note.text)}\n" for note in page.notes]
    rows = [[_inert(text) for text in (card.title, card.value, card.detail)] for card in page.cards]
    lines += [table_markdown(("question", "verdict", "detail"), rows), ""]
    for section in page.sections:
        lines += [f"## {_inert(section.title)}", "", _inert(section.lead), ""]
        lines += [_block(block) for block in section.blocks]
    lines.append(f"Written {page.written} by pipeline {page.version}.")
    return "\n".join(lines) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Table):
        columns = [_inert(name.lstrip(">")) for name in block.columns]
        rows = [[_plain(cell) for cell in row] for row in block.rows]
        caption = f"\n{_inert(block.caption)}\n" if block.caption else ""
        return f"{table_markdown(columns, rows)}\n{caption}"
    if isinstance(block, Heading):
        return f"### {_inert(block.text)}\n"
    if isinstance(block, Text):
        return f"> {_inert(block.text)}\n" if block.state else f"{_inert(block.text)}\n"
    if isinstance(block, Pre):
        fence = _fence(block.text, 3)
        return f"{fence}\n{block.text}\n{fence}\n"
    if isinstance(block, Details):
        inside = "\n".join(_block(item) for item in block.blocks)
        summary = f"<summary>{_inert(block.summary)}</summary>"
        return f"<details>{summary}\n\n{inside}\n</details>\n"
    return ""


def _plain(cell: Cell) -> str:
    if isinstance(cell, Code):
        text = " ".join(cell.text.split("\n"))
        fence = _fence(text, 1)
        gap = " " if len(fence) > 1 else ""
        return f"{fence}{gap}{text}{gap}{fence}" if text else ""
    if isinstance(cell, Badge):
        return f"**{_inert(cell.text)}**" if cell.state == "bad" else _inert(cell.text)
    return _inert(cell.text if isinstance(cell, Bar) else cell)


def _inert(text: str) -> str:
    """Return text in which a model's names are no HTML, no picture, no link and no new line.

    Backticks of ours stay; what stands between them is escaped too, since one in a name moves
    where the next pair begins.
    """
    return escape(" ".join(text.split("\n")), quote=False).replace("](", "]\\(")


def _fence(text: str, least: int) -> str:
    """Return backticks, more than stand together anywhere in the text."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
