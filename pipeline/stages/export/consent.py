"""Whose word it takes to run Python that an artifact's manifest names.

Exporting a function, or a checkpoint with `--trust-remote-code`, is the user's word, and is kept
by digest. A later stage runs the same bytes on it; anything else has to be named once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts.confirmed import confirm, is_confirmed
from pipeline.errors import UnconfirmedCodeError
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import Source, resolve


def code_of(source: Source, options: ExportOptions) -> str:
    """Return the name of the Python that loading the model runs, empty where there is none."""
    if source.kind == "function":
        place = str(source.path.resolve()) if source.path is not None else source.module
        return f"{place}:{source.function}"
    if options.trust_remote_code and source.kind in ("hf", "hub"):
        return str(source.path.resolve()) if source.path is not None else f"hf:{source.name}"
    return ""


def keep_consent(source: Source, options: ExportOptions, sources: Sequence[Path]) -> None:
    """Write down that the user had this code run.

    Args:
        source: What was exported.
        options: How.
        sources: The function's files; those of a checkpoint are found here.
    """
    name = code_of(source, options)
    if name and source.kind == "hf" and source.path is not None:
        folder = source.path if source.path.is_dir() else source.path.parent
        sources = sorted(folder.rglob("*.py"))
    if name:
        confirm(name, sources)


def require_consent(source: Source, options: ExportOptions, folder: Path, named: str = "") -> None:
    """Return where the code may run.

    Args:
        source: What the manifest says the model came from.
        options: Likewise.
        folder: The artifact's.
        named: The model as the user names it on this command line.

    Raises:
        UnconfirmedCodeError: Nobody here said that this code may run.
    """
    name = code_of(source, options)
    if not name or is_confirmed(name):
        return
    if named:
        given = code_of(resolve(named), options)
        if given == name:
            return
        raise UnconfirmedCodeError(
            f"--model {named} is not what {folder} was exported from",
            where=name,
            fix="name that, or leave --model out",
        )
    raise UnconfirmedCodeError(
        f"{folder} says its model is made by {name}; that code was not run: it was not exported "
        "here, or has changed since",
        where=str(folder / "manifest" / "export.json"),
        fix=f"if you trust it: pipeline parity {folder} --model {name}, or export it here",
    )
