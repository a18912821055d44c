"""`pipeline translate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import GenerateOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, with_options
from pipeline.cli.text import folder_and_texts, show_generation, texts_given

FLAGS = {"stop": Flag(("--stop",), split=False)}
OPTIONS = options_of(
    GenerateOptions,
    skip=("folder", "texts", "chat", "system", "history", "huge_pages"),
    flags=FLAGS,
)


@click.command("translate")
@folder_and_texts
@with_options(OPTIONS)
@common
def command(
    folder: Path, texts: tuple[str, ...], as_json: bool, verbose: int, **values: Any
) -> None:
    """Translate each TEXT with the artifact in FOLDER; `-` reads lines from standard input.

    A word the model does not know is named in a warning: what stands for it is a guess.
    """
    from pipeline.api import translate_texts

    with Console(as_json=as_json, verbose=verbose) as console:
        options = GenerateOptions(folder=folder, texts=texts_given(texts), **values)
        show_generation(console, translate_texts(options, console))
