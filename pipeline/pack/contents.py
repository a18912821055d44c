"""What goes into a bundle: graphs and engines of a folder, with what running them needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from pipeline.artifacts import Artifact, Folder
from pipeline.errors import FolderError
from pipeline.graph.files.model_file import load_model
from pipeline.ort.settings import SessionSettings
from pipeline.records.bundle import PackedVariant
from pipeline.records.engine import EnginePart, EngineRecord
from pipeline.records.export import ExportedPart, ExportRecord
from pipeline.records.optimize import OptimizedPart, OptimizeRecord
from pipeline.records.variant import variant_record


def find_candidates(
    folder: Folder, variants: Sequence[str]
) -> tuple[list[PackedVariant], list[Artifact]]:
    """Return every graph and engine of the folder, and the artifacts they belong to.

    Raises:
        FolderError: A variant asked for is not there, or files are missing or changed.
    """
    stages = [s for s in folder.stages() if s.startswith(("export", "optimize.", "build-engine."))]
    known = {s.partition(".")[2] or "exported" for s in stages}
    strange = sorted(set(variants) - known)
    if strange:
        raise FolderError(
            f"no variant {', '.join(strange)} here", where=str(folder.path),
            fix=f"there are {', '.join(sorted(known))}",
        )  # fmt: skip
    found: list[PackedVariant] = []
    artifacts = []
    for stage in stages:
        variant = stage.partition(".")[2] or "exported"
        if variants and variant not in variants:
            continue
        artifact = folder.require(stage, "run the stage again")
        artifacts.append(artifact)
        found.extend(_of_artifact(artifact, variant))
    return found, artifacts


def _of_artifact(artifact: Artifact, variant: str) -> Iterator[PackedVariant]:
    target, _, precision = variant.rpartition("-")
    if variant == "exported":
        target, precision = "onnx", "fp32"
    record: ExportRecord | OptimizeRecord | EngineRecord = (
        ExportRecord.of(artifact) if variant == "exported" else variant_record(artifact)
    )
    for part, about in record.parts.items():
        found = PackedVariant(
            name=f"{part}.{variant}",
            part=part,
            kind="graph",
            file=about.file,
            target=target,
            precision=precision,
        )
        yield _with_needs(found, about)


def _with_needs(
    found: PackedVariant, about: ExportedPart | OptimizedPart | EnginePart
) -> PackedVariant:
    """Return it with what running it needs."""
    if not isinstance(about, EnginePart):
        session = about.session if isinstance(about, OptimizedPart) else SessionSettings()
        return replace(found, session=session)
    return replace(
        found,
        name=f"{found.name}.engine",
        kind="engine",
        flavour=about.flavour,
        version=about.version,
        targets=about.targets,
        profiles=about.profiles,
    )


def files_of(folder: Path, candidate: PackedVariant) -> set[str]:
    """Return the candidate's file and the weights it refers to, relative to the folder."""
    names = {candidate.file}
    if candidate.kind == "graph":
        model = load_model(folder / candidate.file)
        home = Path(candidate.file).parent
        for graph in (model.graph, *model.graph.subgraphs()):
            for value in graph.initializers.values():
                if isinstance(value.const_value, ir.ExternalTensor):
                    names.add((home / str(value.const_value.location)).as_posix())
    return names


def require_listed(root: Path, names: Iterable[str], artifacts: Iterable[Artifact]) -> None:
    """Raise FolderError for a file that no artifact lists, or that is a link out of the folder."""
    listed = {record.path for artifact in artifacts for record in artifact.files}
    home = root.resolve()
    for name in names:
        inside = (root / name).resolve().is_relative_to(home)
        if not inside or name not in listed:
            how = "no artifact lists it" if inside else "it leads out of the folder"
            raise FolderError(
                f"{name} is not packed: {how}", where=str(root), fix="run its stage again"
            )
