"""`pipeline explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import ExplainOptions
from pipeline.cli.console import Console
from pipeline.cli.fusion import explain_lines
from pipeline.cli.options import Flag, common, options_of, with_options

FLAGS = {
    "target": Flag(("--target", "-t"), once=True),
    "check_build": Flag(on_off=("yes", "no")),
}
OPTIONS = options_of(ExplainOptions, skip=("model",), flags=FLAGS)


@click.command("explain")
@click.argument("model", type=click.Path(path_type=Path))
@with_options(OPTIONS)
@common
def command(model: Path, as_json: bool, verbose: int, **values: Any) -> None:
    """Show every attention and norm of MODEL: fused by what, or why not and what to do.

    MODEL is an ONNX file or an artifact folder, of which the exported graphs are explained.
    Nothing is written.
    """
    from pipeline.api import explain_model

    with Console(as_json=as_json, verbose=verbose) as console:
        found = explain_model(ExplainOptions(model=model, **values), console)
        console.result(explain_lines(found), found.to_json())
