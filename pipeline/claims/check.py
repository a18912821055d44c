"""The whole ledger of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.artifacts import Artifact, Folder
from pipeline.claims.engines import engine_claims
from pipeline.claims.graphs import graph_claims
from pipeline.claims.ledger import judge
from pipeline.records.bundle import BundleResults
from pipeline.records.claim import Claim
from pipeline.records.export import ExportRecord

RESULTS = "results"
"""Folder, inside the artifact folder, that keeps what other machines measured."""


def check_folder(folder: Folder) -> tuple[Claim, ...]:
    """Return every claim of the folder's artifacts, re-read from their files.

    Raises:
        FolderError: A manifest is damaged.
    """
    stages = [s for s in folder.stages() if s.partition(".")[0] in ("optimize", "build-engine")]
    artifacts = {name: folder.stage(name) for name in ("export", *stages)}
    return tuple(_claims(folder, {n: a for n, a in artifacts.items() if a is not None}))


def _claims(folder: Folder, artifacts: dict[str, Artifact]) -> Iterator[Claim]:
    exported = ExportRecord.of(artifacts["export"]) if "export" in artifacts else None
    elsewhere = [results for _path, results in kept_results(folder)]
    for name, artifact in artifacts.items():
        problem = folder.damage(artifact)
        evidence = problem or f"{len(artifact.files)} files match their sha256"
        yield judge(f"{name}: files are as they were made", not problem, evidence)
        if problem:
            continue
        verb, _, variant = name.partition(".")
        if verb == "optimize":
            yield from graph_claims(artifact, exported)
        elif verb == "build-engine":
            graph = artifacts.get(f"optimize.{variant}")
            yield from engine_claims(artifact, graph, exported, elsewhere)


def kept_results(folder: Folder) -> list[tuple[Path, BundleResults]]:
    """Return what bundles measured, as `pipeline report --with` keeps it.

    Raises:
        FolderError: a file there is not one that a bundle wrote.
    """
    paths = sorted((folder.path / RESULTS).glob("*.json"))
    return [(path, BundleResults.read_file(path)) for path in paths]
