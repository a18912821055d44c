"""The whole ledger of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.artifacts import Artifact, Folder, digest_file
from pipeline.artifacts.strays import unlisted
from pipeline.claims.engines import engine_claims
from pipeline.claims.graphs import graph_claims
from pipeline.claims.ledger import judge
from pipeline.claims.packages import package_claims
from pipeline.records.bundle import BundleResults
from pipeline.records.claim import Claim
from pipeline.records.export import ExportRecord

RESULTS = "results"
"""Folder, inside the artifact folder, that keeps what other machines measured."""

JUDGED = ("parity", "perf")


def check_folder(folder: Folder) -> tuple[Claim, ...]:
    """Return every claim of the folder's artifacts, re-read from their files.

    Raises:
        FolderError: A manifest is damaged.
    """
    artifacts = {name: folder.stage(name) for name in sorted(folder.stages(), key=_place)}
    return tuple(_claims(folder, {n: a for n, a in artifacts.items() if a is not None}))


def _claims(folder: Folder, artifacts: dict[str, Artifact]) -> Iterator[Claim]:
    exported = ExportRecord.of(artifacts["export"]) if "export" in artifacts else None
    kept = kept_results(folder)
    elsewhere = [results for _path, results in kept]
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
        elif verb in JUDGED:
            yield _of_these(artifact, artifacts)
    yield from _listed(folder)
    yield from (_as_brought(path) for path, _results in kept)
    yield from package_claims(folder)


def _of_these(artifact: Artifact, artifacts: Mapping[str, Artifact]) -> Claim:
    """A verdict is one on its parents; what was made since has none."""
    here = {name: made.digest for name, made in artifacts.items()}
    other = [name for name, digest in artifact.parents.items() if here.get(name) != digest]
    evidence = f"made again or gone since: {', '.join(other)}" if other else "by their digests"
    return judge(f"{artifact.stage}: it judged what lies here", not other, evidence)


def _listed(folder: Folder) -> Iterator[Claim]:
    for name in unlisted(folder.path):
        yield judge(
            f"{name} belongs to an artifact", False, "no manifest lists it: run its stage", name
        )


def _as_brought(path: Path) -> Claim:
    """Results are kept under the digest of their bytes."""
    name, same = f"{RESULTS}/{path.name}", digest_file(path).startswith(path.stem)
    evidence = "its bytes are those it is named by" if same else "other bytes than it is named by"
    return judge(f"{name} is as it was brought", same, evidence, name)


def _place(stage: str) -> tuple[bool, bool, str]:
    """The export first, verdicts last."""
    return (stage in JUDGED, stage != "export", stage)


def kept_results(folder: Folder) -> list[tuple[Path, BundleResults]]:
    """Return what bundles measured, as `pipeline report --with` keeps it.

    Raises:
        FolderError: a file there is not one that a bundle wrote.
    """
    paths = sorted((folder.path / RESULTS).glob("*.json"))
    return [(path, BundleResults.read_file(path)) for path in paths]
