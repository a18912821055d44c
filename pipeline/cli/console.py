"""What a command shows: progress on stderr, results on stdout, errors in three parts."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.lines import Lines
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

# Control characters but for newline and tab, marks that turn the direction of writing, halves of
# characters. A model's names may hold any of them.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Return text with what would steer a terminal written as escapes."""
    return _STEERING.sub(lambda found: ascii(found.group())[1:-1], text)


def tell(text: str) -> None:
    """Write a line to standard error; where that is full or gone, the work goes on without it."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


class Console:
    """Draws progress: a live line on a terminal, a line per step elsewhere.

    Use it as a context manager around the work. It is the Progress that stages report to.

    Args:
        as_json: The result will be JSON; progress still goes to stderr.
        verbose: 0 shows warnings, 1 also what was reused and why not, 2 everything.
    """

    def __init__(self, *, as_json: bool = False, verbose: int = 0) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._live: RichProgress | None = None
        self._lines = Lines(lambda line: tell(f"  {plain(line)}"))

    def __enter__(self) -> Console:
        """Start drawing and listening to the package's log."""
        self._handler = _Notes(self)
        self._handler.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbose, 2)])
        logger = logging.getLogger("pipeline")
        logger.setLevel(logging.DEBUG if self.verbose > 1 else logging.INFO)
        logger.propagate = False
        logger.addHandler(self._handler)
        if sys.stderr.isatty():
            self._live = _live_line()
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live line away."""
        self._still()
        logger = logging.getLogger("pipeline")
        logger.removeHandler(self._handler)
        logger.propagate = True

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show the current activity."""
        if self._live is not None:
            task = self._live.task_ids[0]
            self._live.update(task, description=plain(text), completed=done or 0, total=total)
            return
        self._lines.show(text, f" {done}/{total}" if done is not None and total else "")

    def note(self, text: str) -> None:
        """Show a line that stays."""
        if self._live is not None:
            self._live.console.print(plain(text), markup=False, highlight=False)
        else:
            self._lines.stop()
            tell(plain(text))

    def stream(self, text: str) -> None:
        """Print a piece of a result as it is made; the live line goes first."""
        self._still()
        click.echo(plain(text), nl=False)

    def result(self, lines: list[str], data: Mapping[str, Any]) -> None:
        """Print what the command found: JSON if that was asked for, else the lines."""
        self._still()
        if self.as_json:
            click.echo(json.dumps(data, indent=1, ensure_ascii=False, default=str))
        else:
            for line in lines:
                click.echo(plain(line))

    def _still(self) -> None:
        self._lines.stop()
        if self._live is not None:
            self._live.stop()
            self._live = None


def print_error(error: PipelineError, as_json: bool) -> None:
    """Show an error's parts on stderr and, for scripts, as JSON on stdout."""
    tell(f"{click.style('error:', fg='red', bold=True)} {plain(str(error))}")
    if as_json:
        parts = {"what": error.what, "where": error.where, "fix": error.fix}
        content = {"error": parts | {"type": type(error).__name__}, "exit_code": error.exit_code}
        click.echo(json.dumps(content, ensure_ascii=False))


class _Notes(logging.Handler):
    """Hands log records to the console, so that they do not break the live line."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        name = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        self._console.note(f"{name}{record.getMessage()}")


def _live_line() -> RichProgress:
    """Return a live line with spinner, text, bar where a total is known, and elapsed time."""
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    line = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
    line.add_task("starting", total=None)
    return line
