"""Everything a folder knows, read into one plain structure: the report's data.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, Folder, digest_file
from pipeline.claims.check import check_folder
from pipeline.pack.results import read_results
from pipeline.toolchain import machine

ELSEWHERE = "results"
"""Folder, inside the artifact folder, that keeps what other machines measured."""

ORDER = ("export", "optimize", "build-engine", "parity", "perf")


def collect(folder: Folder) -> dict[str, Any]:
    """Return the data of every artifact in the folder, in the order of the stages.

    Raises:
        FolderError: a manifest is damaged.
    """
    artifacts = [folder.stage(name) for name in folder.stages()]
    known = sorted((a for a in artifacts if a is not None), key=_place)
    return {
        "name": folder.path.name,
        "machine": machine(),
        "stages": [stage_data(artifact) for artifact in known],
        "parity": _result(folder, known, "parity"),
        "perf": _result(folder, known, "perf"),
        "claims": [claim.to_json() for claim in check_folder(folder)],
        "elsewhere": _elsewhere(folder),
    }


def stage_data(artifact: Artifact) -> dict[str, Any]:
    """Return what the report says of one artifact."""
    return {
        "stage": artifact.stage,
        "key": artifact.key,
        "digest": artifact.digest,
        "made": artifact.made,
        "seconds": artifact.seconds,
        "peak_rss_bytes": artifact.peak_rss_bytes,
        "files": [vars(record) for record in artifact.files],
        "facts": dict(artifact.facts),
        "versions": dict(artifact.versions),
        "parents": dict(artifact.parents),
        # A library's own log may name the folder; where it lay is nobody's business elsewhere.
        "log": [line.replace(f"{artifact.folder}/", "") for line in artifact.log],
    }


def add_results(folder: Folder, path: Path) -> None:
    """Keep a bundle's results in the folder, under a name of their contents.

    Raises:
        UsageError: the file is not one that a bundle wrote.
    """
    read_results(path, folder)
    folder.write(f"{ELSEWHERE}/{digest_file(path)[:12]}.json", path.read_bytes())


def stage_of(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the named stage's data, None where the folder has none."""
    return next((stage for stage in data["stages"] if stage["stage"] == name), None)


def stages_of(data: Mapping[str, Any], verb: str) -> list[Mapping[str, Any]]:
    """Return every artifact of a verb, such as all `optimize.*`."""
    return [stage for stage in data["stages"] if stage["stage"].partition(".")[0] == verb]


def _place(artifact: Artifact) -> tuple[int, str]:
    verb = artifact.stage.partition(".")[0]
    return (ORDER.index(verb) if verb in ORDER else len(ORDER), artifact.stage)


def _result(folder: Folder, artifacts: list[Artifact], stage: str) -> Any:
    """Return the JSON a judging stage wrote, None where there is none."""
    artifact = next((a for a in artifacts if a.stage == stage), None)
    if artifact is None or "file" not in artifact.facts:
        return None
    path = folder.path / str(artifact.facts["file"])
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _elsewhere(folder: Folder) -> list[dict[str, Any]]:
    """Return what bundles measured on other machines, and what was made again since."""
    found = []
    for path in sorted((folder.path / ELSEWHERE).glob("*.json")):
        results = read_results(path, folder)
        measured = [{**vars(one), "median_ms": one.median_ms()} for one in results.measured]
        found.append({**vars(results), "file": path.name, "measured": measured})
    return found
