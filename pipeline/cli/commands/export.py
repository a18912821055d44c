"""`pipeline export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import ExportOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, output_option, with_options
from pipeline.cli.summary import artifact_data, artifact_lines

FLAGS = {"opset": Flag(type=click.IntRange(18, 24))}
OPTIONS = options_of(ExportOptions, skip=("model", "output"), flags=FLAGS)


@click.command("export")
@click.argument("model")
@output_option("Folder for the artifact; new, empty, or one made by this tool.")
@with_options(OPTIONS)
@common
def command(model: str, output: Path, as_json: bool, verbose: int, **values: Any) -> None:
    """Export MODEL to ONNX, proven at other values of every dynamic dimension.

    MODEL is, in this order: an existing path (a Hugging Face folder, file.py:function),
    hf:ORG/NAME, a preset such as zh-en or bert-base, or package.module:function.
    """
    from pipeline.api import export_model

    with Console(as_json=as_json, verbose=verbose) as console:
        artifact = export_model(ExportOptions(model=model, output=output, **values), console)
        console.result(artifact_lines(artifact), artifact_data(artifact))
