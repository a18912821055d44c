"""`pipeline embed`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.api import EmbedOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, with_options
from pipeline.cli.text import folder_and_texts, texts_given

if TYPE_CHECKING:
    from pipeline.api import Embedded

OPTIONS = options_of(EmbedOptions, skip=("folder", "texts"))


@click.command("embed")
@folder_and_texts
@with_options(OPTIONS)
@common
def command(
    folder: Path, texts: tuple[str, ...], as_json: bool, verbose: int, **values: Any
) -> None:
    """Turn each TEXT into a vector with the artifact in FOLDER; `-` reads lines.

    Pooling, and what follows it, are the checkpoint's, where it names them.
    """
    from pipeline.api import embed_texts

    with Console(as_json=as_json, verbose=verbose) as console:
        options = EmbedOptions(folder=folder, texts=texts_given(texts), **values)
        made = embed_texts(options, console)
        for note in made.notes:
            console.note(note)
        lines = [f"{row.text}: {_short(row.vector)}" for row in made.rows]
        console.result([*lines, *_cosines(made.rows)], made.json())


def _short(vector: Sequence[float]) -> str:
    """Return a vector's first numbers and its size; --json has all of them."""
    first = ", ".join(f"{value:.3f}" for value in vector[:4])
    return f"[{first}, ...] ({len(vector)} numbers)"


def _cosines(rows: Sequence[Embedded]) -> list[str]:
    """Return how alike the texts are: the first beside each of the others."""
    first, *rest = rows
    return [
        f"cosine {_cosine(first.vector, row.vector):.3f}: {first.text} | {row.text}" for row in rest
    ]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1.0)
