"""`pipeline report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import ReportOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, with_options

FLAGS = {
    "with_results": Flag(("--with",), type=click.Path(path_type=Path)),
    "output": Flag(("-o", "--output")),
}
OPTIONS = options_of(ReportOptions, skip=("folder",), flags=FLAGS)


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
@with_options(OPTIONS)
@common
def command(folder: Path, as_json: bool, verbose: int, **values: Any) -> None:
    """Write one self-contained page about FOLDER: verdicts first, then plots and tables.

    The page loads nothing from the network; the same content is written as markdown and JSON.
    """
    from pipeline.api import write_report

    with Console(as_json=as_json, verbose=verbose) as console:
        made = write_report(ReportOptions(folder=folder, **values), console)
        files = {"html": str(made.html), "markdown": str(made.markdown), "data": str(made.data)}
        lines = [f"report: {made.html}" + (" (reused, nothing has changed)" if made.reused else "")]
        console.result(lines, {**files, "reused": made.reused, "passed": made.passed})
