"""`pipeline perf`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import PerfOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, with_options
from pipeline.cli.verdicts import finish, perf_lines

FLAGS = {"output": Flag(("-o",)), "time_limit_s": Flag(("--time-limit",))}
OPTIONS = options_of(PerfOptions, skip=("models",), flags=FLAGS)


@click.command("perf")
@click.argument("models", type=click.Path(path_type=Path), nargs=-1, required=True)
@with_options(OPTIONS)
@common
def command(models: tuple[Path, ...], as_json: bool, verbose: int, **values: Any) -> int:
    """Measure an artifact folder's variants, or files, in interleaved turns.

    Each ratio comes with a 99 % interval; within 1 % the verdict is `no difference`. Of files, the
    first is the baseline. Exit 1 if --min-speedup does not hold.
    """
    from pipeline.api import PerfRecord, measure_perf

    with Console(as_json=as_json, verbose=verbose) as console:
        artifact = measure_perf(PerfOptions(models=models, **values), console)
        record = PerfRecord.of(artifact)
        return finish(console, artifact, record.passed, perf_lines(record))
