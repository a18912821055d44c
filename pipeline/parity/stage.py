"""The parity stage: a folder's variants against its PyTorch model, or files against a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts import (
    Artifact,
    Folder,
    StageContext,
    digest_file,
    digest_json,
    open_folder,
    run_stage,
)
from pipeline.artifacts.memory import Meter
from pipeline.errors import UsageError
from pipeline.options import plain
from pipeline.parity.options import ParityOptions
from pipeline.records.variant import is_variant
from pipeline.types import SILENT, Json, Progress

RESULT = "parity/parity.json"
NO_EXPORT = "compare its graphs as files: pipeline parity ORIGINAL.onnx DIR/onnx/model.*.onnx"
ELSEWHERE = ("reference", "candidates", "output", "inputs", "text", "threads")
"""Options that enter the recipe by the contents of what they name, or not at all."""


def compare_parity(options: ParityOptions, progress: Progress = SILENT) -> Artifact:
    """Return the comparison: `facts["passed"]` is the verdict, a failure is no exception.

    A folder keeps the result as its stage `parity`; a comparison of files is returned, and
    written where `options.output` says.

    Raises:
        UsageError: no such file, or candidates whose inputs or outputs have other names.
        BadModelError: a graph cannot be read.
        EnvironmentMissingError: a candidate that was named cannot run here.

    Examples:
        >>> from pipeline import ParityOptions, compare_parity
        >>> options = ParityOptions("model.onnx", ("fused.onnx",), seeds=1, dims={"sequence": 8})
        >>> compare_parity(options).facts["passed"]
        True
    """
    if options.reference.is_dir():
        return _folder(options, progress)
    if not options.candidates:
        raise UsageError(
            "there is nothing to compare with",
            where=str(options.reference),
            fix="name one or more candidates, or an artifact folder",
        )
    return _files(options, progress)


def _folder(options: ParityOptions, progress: Progress) -> Artifact:
    folder = open_folder(options.reference)
    parents = _parents(folder)

    def produce(context: StageContext) -> Mapping[str, Any]:
        from pipeline.parity.folder import compare_folder

        result = compare_folder(options, folder.path, parents, progress)
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        context.path(RESULT).write_text(text, encoding="utf-8")
        return {"file": RESULT, **summary(result)}

    return run_stage(folder, "parity", _recipe(options), parents, produce)


def _files(options: ParityOptions, progress: Progress) -> Artifact:
    from pipeline.parity.files import compare_files

    with Meter() as meter:
        result = compare_files(options, progress)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    return Artifact(
        folder=options.reference.parent,
        stage="parity",
        key="",
        digest=digest_json(result),
        facts={**summary(result), "result": result},
        seconds=meter.seconds,
        peak_rss_bytes=meter.peak_rss_bytes,
    )


def summary(result: Mapping[str, Any]) -> dict[str, Json]:
    """Return what a reader needs first: the verdict, and each candidate's."""
    kept = ("name", "part", "precision", "passed", "skipped")
    candidates: list[Json] = [
        {
            **{name: entry[name] for name in kept},
            "usage": _worst([output["usage"] for output in entry["outputs"]]),
        }
        for part in result["parts"].values()
        for entry in part["candidates"]
    ]
    generation = result.get("generation")
    return {
        "passed": result["passed"],
        "reference": result["reference"],
        "candidates": candidates,
        "generation": [
            {k: entry.get(k) for k in ("name", "passed", "skipped", "texts", "equal", "near_ties")}
            for entry in (generation or {"candidates": []})["candidates"]
        ],
        "bisect": result["bisect"],
        "notes": result["notes"],
    }


def _worst(usages: Sequence[float | None]) -> float | None:
    """Return the largest share of a budget that was used; None is beyond all measure."""
    if None in usages:
        return None
    return max((usage for usage in usages if usage is not None), default=0.0)


def _parents(folder: Folder) -> dict[str, Artifact]:
    """Return the artifacts that are compared.

    Raises:
        FolderError: there is no export here.
    """
    export = folder.require("export", NO_EXPORT)
    wanted = [name for name in folder.stages() if is_variant(name)]
    return {"export": export} | {
        name: folder.require(name, f"run `{name.partition('.')[0]}` again") for name in wanted
    }


def _recipe(options: ParityOptions) -> dict[str, Json]:
    recipe = plain(options, without=ELSEWHERE)
    for name in ("inputs", "text"):
        path: Path | None = getattr(options, name)
        recipe[name] = digest_file(path) if path is not None and path.is_file() else None
    recipe["candidates"] = [_identity(path) for path in options.candidates]
    return recipe


def _identity(path: Path) -> Json:
    """Return what a named candidate is, by contents."""
    if path.is_dir():
        folder = open_folder(path)
        made = [folder.stage(name) for name in folder.stages()]
        return [artifact.digest for artifact in made if artifact is not None]
    return digest_file(path) if path.is_file() else None
