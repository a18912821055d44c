"""`pipeline fill-mask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import TextOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, with_options
from pipeline.cli.text import folder_and_texts, ranked, texts_given

OPTIONS = options_of(TextOptions, skip=("folder", "texts"))


@click.command("fill-mask")
@folder_and_texts
@with_options(OPTIONS)
@common
def command(
    folder: Path, texts: tuple[str, ...], as_json: bool, verbose: int, **values: Any
) -> None:
    """Fill in the masked words of each TEXT with the artifact in FOLDER; `-` reads lines."""
    from pipeline.api import fill_masks

    with Console(as_json=as_json, verbose=verbose) as console:
        options = TextOptions(folder=folder, texts=texts_given(texts), **values)
        made = fill_masks(options, console)
        lines = []
        for row in made.rows:
            places = (((w.word, w.probability, 0.0) for w in words) for words in row.masks)
            lines += [row.text, *(f"  {ranked(place)}" for place in places)]
        console.result(lines, made.json())
