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
def command(folder: Path, as_json: bool, verbose: int, **values: Any) -> int:
    """Write one self-contained page about FOLDER: verdicts first, then plots and tables.

    The page loads nothing from the network; the same content is written as markdown and JSON. The
    exit code is 1 if a claim on it is broken, or a stage it tells of has failed.
    """
    from pipeline.api import write_report

    with Console(as_json=as_json, verbose=verbose) as console:
        made = write_report(ReportOptions(folder=folder, **values), console)
        files = {"html": str(made.html), "markdown": str(made.markdown), "data": str(made.data)}
        lines = [f"report: {made.html}" + (" (reused, nothing has changed)" if made.reused else "")]
        lines += [] if made.passed else ["FAILED: a verdict or a claim on it says no"]
        console.result(lines, {**files, "reused": made.reused, "passed": made.passed})
    return 0 if made.passed else 1
