"""`pipeline parity`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import ParityOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, with_options
from pipeline.cli.verdicts import finish, parity_lines

FLAGS = {"output": Flag(("-o", "--output")), "dims": Flag(("--dim",))}
OPTIONS = options_of(ParityOptions, skip=("reference", "candidates"), flags=FLAGS)


@click.command("parity")
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidates", type=click.Path(path_type=Path), nargs=-1)
@with_options(OPTIONS)
@common
def command(
    reference: Path, candidates: tuple[Path, ...], as_json: bool, verbose: int, **values: Any
) -> int:
    """Compare CANDIDATES with REFERENCE; exit 1 if one leaves its budget.

    REFERENCE is an artifact folder (its PyTorch model in float64) or an ONNX file (what the graph
    means in float64). The budget is the error PyTorch itself makes in the candidate's precision.
    """
    from pipeline.api import ParityRecord, compare_parity

    with Console(as_json=as_json, verbose=verbose) as console:
        options = ParityOptions(reference=reference, candidates=candidates, **values)
        artifact = compare_parity(options, console)
        record = ParityRecord.of(artifact)
        return finish(console, artifact, record.passed, parity_lines(record))
