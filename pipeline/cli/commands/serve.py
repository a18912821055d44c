"""`pipeline serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from pipeline.api import ServeOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, with_options

OPTIONS = options_of(ServeOptions, skip=("folders",))


@click.command("serve")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@with_options(OPTIONS)
@common
def command(folders: tuple[Path, ...], as_json: bool, verbose: int, **values: Any) -> None:
    """Answer OpenAI's clients with the artifacts in FOLDERS, each a model of its folder's name.

    Needs the extra `serve`. Answers of one model are decoded together: a request joins a running
    batch and leaves it when its answer ends.
    """
    from pipeline.api import serve_models

    values["api_key"] = values["api_key"] or os.environ.get("PIPELINE_API_KEY", "")
    with Console(as_json=as_json, verbose=verbose) as console:
        serve_models(ServeOptions(folders=folders, **values), console)
