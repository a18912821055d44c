"""What goes into a bundle: graphs and engines of a folder, with what running them needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir

from pipeline.artifacts import Artifact, Folder
from pipeline.errors import FolderError
from pipeline.graph.files.model_file import load_model
from pipeline.records.engine import EnginePart, EngineRecord
from pipeline.records.export import ExportedPart, ExportRecord
from pipeline.records.optimize import OptimizedPart, OptimizeRecord
from pipeline.records.record import as_json
from pipeline.records.variant import variant_record
from pipeline.types import Json


@dataclass(frozen=True)
class Packed:
    """One graph or engine of one part.

    Attributes:
        name: `decoder.tensorrt-fp16.engine` and the like.
        part: Which part of the model it is.
        kind: `graph` or `engine`.
        file: Its place in the folder and in the bundle.
        target: `onnx`, `ort-cpu`, `ort-cuda`, `tensorrt`, ...
        precision: fp32, fp16 or bf16.
        extra: Session settings of a graph; flavour and version of an engine.
    """

    name: str
    part: str
    kind: str
    file: str
    target: str
    precision: str
    extra: dict[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return it as the bundle's runner reads it."""
        plain = {k: v for k, v in vars(self).items() if k != "extra"}
        return {**plain, **self.extra}


def find_candidates(folder: Folder, variants: Sequence[str]) -> tuple[list[Packed], list[Artifact]]:
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
    found: list[Packed] = []
    artifacts = []
    for stage in stages:
        variant = stage.partition(".")[2] or "exported"
        if variants and variant not in variants:
            continue
        artifact = folder.require(stage, "run the stage again")
        artifacts.append(artifact)
        found.extend(_of_artifact(artifact, variant))
    return found, artifacts


def _of_artifact(artifact: Artifact, variant: str) -> Iterator[Packed]:
    kind = "engine" if artifact.stage.startswith("build-engine.") else "graph"
    target, _, precision = variant.rpartition("-")
    if variant == "exported":
        target, precision = "onnx", "fp32"
    record: ExportRecord | OptimizeRecord | EngineRecord = (
        ExportRecord.of(artifact) if variant == "exported" else variant_record(artifact)
    )
    for part, about in record.parts.items():
        suffix = ".engine" if kind == "engine" else ""
        yield Packed(
            name=f"{part}.{variant}{suffix}",
            part=part,
            kind=kind,
            file=about.file,
            target=target,
            precision=precision,
            extra=_extra(about),
        )


def _extra(about: ExportedPart | OptimizedPart | EnginePart) -> dict[str, Json]:
    if isinstance(about, EnginePart):
        return {
            "flavour": about.flavour,
            "version": about.version,
            "targets": [*about.targets],
            "profiles": as_json(about.profiles),
        }
    return {"session": as_json(about.session) if isinstance(about, OptimizedPart) else {}}


def files_of(folder: Path, candidate: Packed) -> set[str]:
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
