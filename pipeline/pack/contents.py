"""What goes into a bundle: graphs and engines of a folder, with what running them needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx_ir as ir

from pipeline.artifacts import Artifact, Folder
from pipeline.errors import FolderError
from pipeline.graph.files.model_file import load_model
from pipeline.types import Json


@dataclass(frozen=True)
class Candidate:
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


def find_candidates(
    folder: Folder, variants: Sequence[str]
) -> tuple[list[Candidate], list[Artifact]]:
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
    found: list[Candidate] = []
    artifacts = []
    for stage in stages:
        variant = stage.partition(".")[2] or "exported"
        if variants and variant not in variants:
            continue
        artifact = folder.require(stage, "run the stage again")
        artifacts.append(artifact)
        found.extend(_of_artifact(artifact, variant))
    return found, artifacts


def _of_artifact(artifact: Artifact, variant: str) -> Iterator[Candidate]:
    kind = "engine" if artifact.stage.startswith("build-engine.") else "graph"
    target, _, precision = variant.rpartition("-")
    if variant == "exported":
        target, precision = "onnx", "fp32"
    for part, facts in artifact.facts["parts"].items():
        suffix = ".engine" if kind == "engine" else ""
        yield Candidate(
            name=f"{part}.{variant}{suffix}",
            part=part,
            kind=kind,
            file=facts["file"],
            target=target,
            precision=precision,
            extra=_extra(kind, facts),
        )


def _extra(kind: str, facts: Any) -> dict[str, Json]:
    if kind == "engine":
        keys = ("flavour", "version", "targets", "profiles")
        return {key: facts[key] for key in keys if key in facts}
    return {"session": facts.get("session") or {}}


def files_of(folder: Path, candidate: Candidate) -> set[str]:
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
