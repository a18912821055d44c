"""What the text commands share: where texts come from, and how answers are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.console import Console
from pipeline.report import numbers

Function = TypeVar("Function", bound=Callable[..., Any])


def folder_and_texts(function: Function) -> Function:
    """Add the arguments FOLDER and TEXT..."""
    function = click.argument("texts", nargs=-1, required=True, metavar="TEXT...")(function)
    return click.argument("folder", type=click.Path(path_type=Path))(function)


def texts_given(words: Sequence[str]) -> tuple[str, ...]:
    """Return the texts; a single `-` stands for the lines of standard input."""
    if tuple(words) != ("-",):
        return tuple(words)
    return tuple(line.strip() for line in sys.stdin if line.strip())


def show_generation(console: Console, made: Any, *, shown: bool = False) -> None:
    """Show answers, warnings, and how fast the tokens came.

    Args:
        console: Where to.
        made: A Generation.
        shown: The answers were streamed already.
    """
    for note in made.notes:
        console.note(f"warning: {note}")
    console.result([] if shown else list(made.texts), made.json())
    count = sum(len(row) for row in made.tokens)
    speed = f", {made.tokens_per_s:.1f} tokens/s" if made.tokens_per_s else ""
    console.note(
        f"[{made.variant}: {count} tokens in {numbers.seconds(made.seconds)}, "
        f"first after {numbers.seconds(made.first_token_s)}{speed}]"
    )


def ranked(items: Iterable[tuple[str, float | None, float]]) -> str:
    """Return names with their probabilities, or with their scores where there are none."""
    return ", ".join(
        f"{name.strip()} {score:.4g}" if probability is None
        else f"{name.strip()} {100 * probability:.1f} %"
        for name, probability, score in items
    )  # fmt: skip
