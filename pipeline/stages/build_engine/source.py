"""Which graphs to build: one ONNX file, or the parts of an artifact folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.artifacts import Artifact, Folder, open_folder
from pipeline.errors import FolderError, UsageError
from pipeline.records.export import ExportedPart, ExportRecord
from pipeline.records.optimize import OptimizedPart, OptimizeRecord
from pipeline.records.tensors import SizeRange
from pipeline.types import Precision

_PREFIX = "optimize."
_ENGINE_TARGETS = ("tensorrt-rtx", "tensorrt")


@dataclass(frozen=True)
class GraphToBuild:
    """One graph to build.

    Attributes:
        name: `model`, `encoder`, `decoder`.
        file: The graph.
        ranges: What the export knows of its named dims.
    """

    name: str
    file: Path
    ranges: Mapping[str, SizeRange] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineSource:
    """What is built, what it is called, and the artifact it comes from."""

    variant: str
    parts: tuple[GraphToBuild, ...]
    parent: Artifact | None = None


def find_source(path: Path, precision: Precision | None) -> EngineSource:
    """Return the graphs behind a path.

    Raises:
        UsageError: There is no such path.
        FolderError: The folder has no graph for TensorRT in that precision.
    """
    if path.is_dir():
        return _from_folder(open_folder(path), precision)
    if not path.is_file():
        raise UsageError(
            f"no such file or folder: {path}", fix="an ONNX file or an artifact folder"
        )
    return EngineSource("", (GraphToBuild("model", path),))


def _from_folder(folder: Folder, precision: Precision | None) -> EngineSource:
    variants = [s.removeprefix(_PREFIX) for s in folder.stages() if s.startswith(_PREFIX)]
    wanted = [v for v in variants if v.startswith(_ENGINE_TARGETS)]
    fix = "pipeline optimize DIR --target tensorrt --precision fp16"
    if not wanted:
        raise FolderError(
            "no graph here was optimized for TensorRT", where=str(folder.path), fix=fix
        )
    if precision:
        wanted = [v for v in wanted if v.endswith(f"-{precision}")]
    elif len(wanted) > 1:
        wanted = [v for v in wanted if v.endswith("-fp32")] or wanted
    if len(wanted) != 1:
        raise FolderError(
            f"{len(wanted)} variants fit --precision {precision or '(none)'}: "
            f"{', '.join(wanted) or ', '.join(variants)}",
            where=str(folder.path),
            fix="name one with --precision" if wanted else f"{fix} (here: {precision})",
        )
    artifact = folder.require(_PREFIX + wanted[0], fix)
    exported = folder.stage("export")
    known = ExportRecord.of(exported).parts if exported else {}
    parts = tuple(
        GraphToBuild(name, folder.path / part.file, _ranges(part, known.get(name)))
        for name, part in OptimizeRecord.of(artifact).parts.items()
    )
    return EngineSource(wanted[0], parts, artifact)


def _ranges(part: OptimizedPart, known: ExportedPart | None) -> Mapping[str, SizeRange]:
    return part.dims or (known.dims if known is not None else {})
