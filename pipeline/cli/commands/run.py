"""`pipeline run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.console import Console
from pipeline.cli.options import common, merge_into, with_options
from pipeline.cli.run_options import GROUPS, StagedCommand, settle
from pipeline.cli.values import CommaList
from pipeline.types import TARGETS

_STAGE_OPTIONS = [option for mine in GROUPS.values() for option in mine]


@click.command("run", cls=StagedCommand)
@click.argument("model", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The artifact folder.")
@click.option(
    "--target",
    "-t",
    "--targets",
    "targets",
    type=CommaList(click.Choice(TARGETS)),
    multiple=True,
    callback=merge_into(()),
    help="What to optimize for; repeat it, or list several.  [default: ort-cpu,tensorrt]",
)
@click.option(
    "--skip",
    type=CommaList(click.STRING),
    multiple=True,
    callback=merge_into(()),
    help="Stages to leave out, by name; repeat it, or list several.",
)
@click.option("--config", type=click.Path(path_type=Path), help="TOML or YAML with these options.")
@click.option("--dry-run", is_flag=True, help="Say what would be made and why; do nothing.")
@click.option("--verify", is_flag=True, help="Read all bytes again, trust no file time.")
@with_options(_STAGE_OPTIONS)
@common
@click.pass_context
def command(
    ctx: click.Context,
    /,
    config: Path | None,
    dry_run: bool,
    as_json: bool,
    verbose: int,
    **given: Any,
) -> int:
    """Take MODEL through all stages and end with one report; what is current is reused.

    A stage this machine cannot run (an engine without a GPU) says so and the run goes on; an export
    that cannot run ends it. The exit code is 1 if parity or a gate failed. In --config, options
    of a stage stand in a section of its name; the command line wins over the file.
    """
    from pipeline.api import run_pipeline

    with Console(as_json=as_json, verbose=verbose) as console:
        result = run_pipeline(settle(ctx, config, given), console, dry_run=dry_run)
        lines = [f"report: {result.report}"] if result.report else []
        console.result(lines, result.record().to_json())
    return 0 if result.passed else 1
