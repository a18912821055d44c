"""`pipeline classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import ClassifyOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, with_options
from pipeline.cli.text import folder_and_texts, ranked, texts_given

OPTIONS = options_of(ClassifyOptions, skip=("folder", "texts"))


@click.command("classify")
@folder_and_texts
@with_options(OPTIONS)
@common
def command(
    folder: Path, texts: tuple[str, ...], as_json: bool, verbose: int, **values: Any
) -> None:
    """Classify each TEXT with the artifact in FOLDER; `-` reads lines from standard input.

    What the probabilities are is the checkpoint's word: of one class among all, of each class for
    itself, or none at all, and then the scores are shown.
    """
    from pipeline.api import classify_texts

    with Console(as_json=as_json, verbose=verbose) as console:
        options = ClassifyOptions(folder=folder, texts=texts_given(texts), **values)
        made = classify_texts(options, console)
        lines = [
            f"{row.text}: {ranked((c.label, c.probability, c.logit) for c in row.classes)}"
            for row in made.rows
        ]
        console.result(lines, made.json())
