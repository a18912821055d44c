"""`pipeline optimize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import OptimizeOptions
from pipeline.cli.console import Console
from pipeline.cli.fusion import count_lines, lowering_lines
from pipeline.cli.options import Flag, common, options_of, with_options
from pipeline.cli.summary import artifact_data, artifact_lines
from pipeline.cli.values import Gate

FLAGS = {
    "output": Flag(("-o", "--output")),
    "target": Flag(("--target", "-t"), once=True),
    "require": Flag(type=Gate()),
    "check_build": Flag(on_off=("yes", "no")),
}
OPTIONS = options_of(OptimizeOptions, skip=("model",), flags=FLAGS)


@click.command("optimize")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@with_options(OPTIONS)
@click.option("--list", "list_them", is_flag=True, help="List the target's lowerings and stop.")
@common
def command(
    model: Path | None, list_them: bool, as_json: bool, verbose: int, **values: Any
) -> None:
    """Fuse MODEL, an ONNX file from anywhere or an artifact folder, for a target.

    `-o OUT.onnx` writes exactly that file, new weights beside it; `-o DIR` an artifact folder.
    Every rewrite is compared with what it replaces before it is kept.
    """
    from pipeline.api import OptimizedFile, OptimizeRecord, UsageError, optimize_model

    with Console(as_json=as_json, verbose=verbose) as console:
        if list_them:
            from pipeline.api import list_lowerings  # loads the graph libraries

            found = list_lowerings(values["target"])
            return console.result(
                lowering_lines(found), {"lowerings": [vars(lowering) for lowering in found]}
            )
        if model is None:
            raise UsageError("MODEL is missing", fix="name an ONNX file or an artifact folder")
        made = optimize_model(OptimizeOptions(model=model, **values), console)
        if isinstance(made, OptimizedFile):
            lines = [f"optimize: wrote {made.file}", *count_lines({"model": made.record})]
            data = {"file": str(made.file), "facts": made.record.to_json()}
            return console.result(lines, data)
        lines = artifact_lines(made) + count_lines(OptimizeRecord.of(made).parts)
        return console.result(lines, artifact_data(made))
