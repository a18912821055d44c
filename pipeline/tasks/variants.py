"""Which of a folder's graphs or engines answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Artifact, Folder
from pipeline.artifacts.strays import unlisted
from pipeline.errors import FolderError, UsageError
from pipeline.records.export import ExportRecord
from pipeline.records.variant import variant_record
from pipeline.types import RunnerName

EXPORT_FIX = "pipeline export MODEL -o DIR"
ENGINE_FIX = "pipeline build-engine DIR -o DIR"
GRAPHS = ("optimize.", "export")
PREFERRED = ("optimize.ort-cpu", "optimize.onnx", "export")  # among the last two of a kind: any


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        runner: What runs it.
        variant: Its name, such as `ort-cpu-fp32` or `exported`; empty for the best one.
        precision: Its precision; None for any.
    """

    runner: RunnerName
    variant: str = ""
    precision: str | None = None


def files_of(folder: Folder, exported: ExportRecord, wanted: Wanted) -> tuple[str, dict[str, Path]]:
    """Return the stage that made what is asked for, and its files by part.

    Unasked, what was optimized for the runner last answers.

    Raises:
        UsageError: There is no such variant, or none of that precision.
        FolderError: Nothing here suits the runner, or a graph belongs to no artifact.
    """
    fix = ENGINE_FIX if wanted.runner == "tensorrt" else EXPORT_FIX
    if not wanted.variant and (stray := _stray(folder, exported)):
        raise FolderError(
            f"{stray} belongs to no artifact: the manifest of its stage is missing",
            where=str(folder.path),
            fix="run that stage again, or remove the file to go on without it",
        )
    for name in _names(folder, wanted):
        artifact: Artifact = folder.require(name, fix)
        record = exported if name == "export" else variant_record(artifact)
        files = {part: folder.path / about.file for part, about in record.parts.items()}
        if files.keys() >= exported.parts.keys():
            return name, files
    raise FolderError(f"nothing here runs on {wanted.runner}", where=str(folder.path), fix=fix)


def _names(folder: Folder, wanted: Wanted) -> list[str]:
    """Return the stages that come into question, the best first."""
    stages = folder.stages()
    if wanted.runner == "tensorrt":
        names = _newest(folder, [name for name in stages if name.startswith("build-engine")])
        runs = names
    else:
        names = [n for prefix in PREFERRED for n in _newest(folder, _of(stages, prefix))]
        runs = [name for name in stages if name.startswith(GRAPHS)]
    if wanted.variant:
        known = {name.partition(".")[2] or "exported": name for name in runs}
        if wanted.variant not in known:
            raise _absent(folder, wanted, f"variant {wanted.variant!r}", known)
        names = [known[wanted.variant]]
    if wanted.precision is None:
        return names
    found = [name for name in names if name.endswith(f"-{wanted.precision}")]
    if not found:
        told = [name.partition(".")[2] or "exported" for name in names]
        raise _absent(folder, wanted, f"variant in {wanted.precision}", told)
    return found


def _of(stages: Sequence[str], prefix: str) -> list[str]:
    return [name for name in stages if name.startswith(prefix)]


def _newest(folder: Folder, names: list[str]) -> list[str]:
    """Return the stages that were made last first."""

    def made(name: str) -> str:
        artifact = folder.stage(name)
        return artifact.made if artifact is not None else ""

    return sorted(names, key=made, reverse=True)


def _absent(folder: Folder, wanted: Wanted, what: str, known: object) -> UsageError:
    names = list(known) if isinstance(known, (dict, list)) else []
    return UsageError(
        f"{wanted.runner} has no {what} here",
        where=str(folder.path),
        fix=f"there are {', '.join(names) or 'none'}",
    )


def _stray(folder: Folder, exported: ExportRecord) -> str:
    """Return a graph or engine of these parts that no manifest lists, empty if there is none.

    Another one would answer in its place, and nobody would see that it did.
    """
    names = (Path(name) for name in unlisted(folder.path))
    of_parts = (n for n in names if n.suffix in (".onnx", ".plan"))
    found = (n.as_posix() for n in of_parts if n.name.partition(".")[0] in exported.parts)
    return next(found, "")
