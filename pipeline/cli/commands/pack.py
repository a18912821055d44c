"""`pipeline pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import PackOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, output_option, with_options
from pipeline.cli.summary import size_text

OPTIONS = options_of(PackOptions, skip=("folder", "output"))


@click.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option("The .tar file to write.")
@with_options(OPTIONS)
@common
def command(folder: Path, output: Path, as_json: bool, verbose: int, **values: Any) -> None:
    """Bundle FOLDER's graphs and engines with inputs, right answers and one runner script.

    On the other machine: unpack it and `python run.py`, which needs numpy and onnxruntime,
    tensorrt or tensorrt_rtx. Bring results.json back for `pipeline report FOLDER --with`.
    """
    from pipeline.api import pack_folder

    with Console(as_json=as_json, verbose=verbose) as console:
        made = pack_folder(PackOptions(folder=folder, output=output, **values), console)
        lines = [
            f"bundle: {made.path}, {size_text(made.size_bytes)}, {made.cases} sets of inputs",
            *(f"  {name}" for name in made.candidates),
        ]
        data = {
            "bundle": str(made.path),
            "bytes": made.size_bytes,
            "candidates": list(made.candidates),
            "cases": made.cases,
        }
        console.result(lines, data)
