"""What the build does beyond its plugins.

Formulas as MathML, options of commands as lists, messages of errors from the source.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import mkdocs_click._docs as click_pages
from latex2mathml.converter import convert
from messages import Message, Messages

ROOT = Path(__file__).parents[2]
MESSAGES = re.compile(r"<!-- messages: (\w+) -->")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_startup(**_: Any) -> None:
    """Replace the table of mkdocs-click: it prints click's own objects for absent defaults."""
    click_pages._make_table_options = option_lines


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with the messages of a class in the place of each mark for them."""
    return MESSAGES.sub(lambda found: "\n".join(message_lines(found[1])), markdown)


@cache
def all_messages() -> Messages:
    """Return every message, read once for a build."""
    return Messages((ROOT / "pipeline", ROOT / "models"))


def message_lines(error: str) -> Iterator[str]:
    """Yield the messages of one class as Markdown lists, a heading for each part."""
    found = [one for one in all_messages().all if one.error == error]
    for unit, several in itertools.groupby(found, key=lambda one: one.unit):
        yield f"**{unit}**"
        yield ""
        yield from (_message(one) for one in several)
        yield ""


def _message(message: Message) -> str:
    fence = "``" if "`" in message.what else "`"
    fix = f"<br>{_escaped(message.fix)}" if message.fix else ""
    return f"- {fence}{message.what}{fence}{fix}"


def _escaped(text: str) -> str:
    """Return text whose code spans stay code, and in which nothing else is Markdown."""
    pieces = text.split("`")
    plain = (re.sub(r"[\\*_{}\[\]<>&#]", lambda c: f"&#{ord(c[0])};", p) for p in pieces[::2])
    code = (f"`{piece}`" for piece in pieces[1::2])
    return "".join(itertools.chain(*itertools.zip_longest(plain, code, fillvalue="")))


def on_page_content(content: str, **_: Any) -> str:
    """Return the page with every LaTeX formula as MathML, which a browser draws by itself."""
    return FORMULA.sub(_mathml, content)


def option_lines(ctx: click.Context, show_hidden: bool = False) -> Iterator[str]:
    """Yield a command's options as Markdown lists under the headings that its --help has."""
    told = _Sections()
    ctx.command.format_options(ctx, told)
    options = [o for o in ctx.command.get_params(ctx) if isinstance(o, click.Option)]
    known = {option.get_help_record(ctx): option for option in options}
    for title, rows in told.sections:
        yield f"**{title}**"
        yield ""
        yield from (_option(known[row], ctx) if row in known else _command(*row) for row in rows)
        yield ""


class _Sections:
    """Takes the place of click's formatter: keeps headings and rows instead of drawing them."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []

    @contextlib.contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Begin a section."""
        self.sections.append((title, []))
        yield

    def write_dl(self, rows: list[tuple[str, str]]) -> None:
        """Keep the rows of a list of definitions."""
        self.sections[-1][1].extend(rows)


def _option(option: click.Option, ctx: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = "" if option.is_flag else f" *{html.escape(option.make_metavar(ctx))}*"
    default = option.get_help_extra(ctx).get("default", "").strip("()")
    ending = f" Default: `{default}`." if default else " Required." if option.required else ""
    return f"- {names}{kind}<br>{option.help or ''}{ending}"


def _command(name: str, line: str) -> str:
    return f"- [{name}](#pipeline-{name}): {line}"


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found[1] == "div" else "inline"
    formula = convert(html.unescape(found[2]), display=display)
    return f'<{found[1]} class="formula">{formula}</{found[1]}>'
