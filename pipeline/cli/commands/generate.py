"""`pipeline generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import GenerateOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, with_options
from pipeline.cli.text import folder_and_texts, show_generation, texts_given

FLAGS = {"stop": Flag(("--stop",), split=False)}
OPTIONS = options_of(GenerateOptions, skip=("folder", "texts"), flags=FLAGS)


@click.command("generate")
@folder_and_texts
@with_options(OPTIONS)
@common
def command(
    folder: Path, texts: tuple[str, ...], as_json: bool, verbose: int, **values: Any
) -> None:
    """Continue each TEXT with the artifact in FOLDER; `-` reads lines from standard input.

    A single answer appears as it is made, and its speed at the end.
    """
    from pipeline.api import generate_texts

    with Console(as_json=as_json, verbose=verbose) as console:
        options = GenerateOptions(folder=folder, texts=texts_given(texts), **values)
        made = generate_texts(options, console, None if as_json else console.stream)
        if made.streamed:
            console.stream("\n")
        show_generation(console, made, shown=made.streamed)
