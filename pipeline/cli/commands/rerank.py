"""`pipeline rerank`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import RerankOptions
from pipeline.cli.console import Console
from pipeline.cli.options import common, options_of, with_options
from pipeline.cli.text import texts_given

OPTIONS = options_of(RerankOptions, skip=("folder", "texts", "query"))


@click.command("rerank")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("query")
@click.argument("documents", nargs=-1, required=True, metavar="DOCUMENT...")
@with_options(OPTIONS)
@common
def command(
    folder: Path,
    query: str,
    documents: tuple[str, ...],
    as_json: bool,
    verbose: int,
    **values: Any,
) -> None:
    """Rank each DOCUMENT by how well it answers QUERY; `-` reads documents, a line each.

    A score is what the checkpoint makes of the model's number: a sigmoid, or the number itself.
    """
    from pipeline.api import rerank_texts

    with Console(as_json=as_json, verbose=verbose) as console:
        options = RerankOptions(folder=folder, texts=texts_given(documents), query=query, **values)
        made = rerank_texts(options, console)
        lines = [f"{row.score:.4f}  [{row.index}] {row.text}" for row in made.rows]
        console.result(lines, made.json())
