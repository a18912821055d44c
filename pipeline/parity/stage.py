"""The parity stage: a folder's variants against its PyTorch model, or files against a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

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
from pipeline.parity.measures import LEAST
from pipeline.parity.options import ParityOptions
from pipeline.records.generation import GenerationRow
from pipeline.records.parity import (
    CandidateRecord,
    CandidateSummary,
    GenerationSummary,
    MeasureRecord,
    ParityRecord,
    ParityResult,
)
from pipeline.records.variant import is_variant
from pipeline.types import SILENT, Json, Progress

RESULT = "parity/parity.json"
NO_EXPORT = "compare its graphs as files: pipeline parity ORIGINAL.onnx DIR/onnx/model.*.onnx"
ELSEWHERE = ("reference", "candidates", "output", "inputs", "text", "threads")
"""Options that enter the recipe by the contents of what they name, or not at all."""


def compare_parity(options: ParityOptions, progress: Progress = SILENT) -> Artifact:
    """Return the comparison: `ParityRecord.of(it).passed` is the verdict, a failure no exception.

    A folder keeps the result on its own variants as its stage `parity`; a comparison of files, or
    of candidates that were named, is returned, and written where `options.output` says.

    Raises:
        UsageError: no such file, or candidates whose inputs or outputs have other names.
        BadModelError: a graph cannot be read.
        EnvironmentMissingError: a candidate that was named cannot run here.

    Examples:
        >>> from pipeline import ParityOptions, ParityRecord, compare_parity
        >>> options = ParityOptions("model.onnx", ("fused.onnx",), seeds=1, dims={"sequence": 8})
        >>> ParityRecord.of(compare_parity(options)).passed
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
    from pipeline.parity.files import compare_files

    return _apart(options, lambda: compare_files(options, progress))


def _folder(options: ParityOptions, progress: Progress) -> Artifact:
    folder = open_folder(options.reference)
    parents = _parents(folder)

    def compared() -> ParityResult:
        from pipeline.parity.folder import compare_folder  # frameworks, which a warm run spares

        return compare_folder(options, folder.path, parents, progress)

    if options.candidates:
        # The folder's verdict is on its own variants; what is compared beside them is not kept.
        return _apart(options, compared)

    def produce(context: StageContext) -> ParityRecord:
        result = compared()
        text = json.dumps(result.to_json(), ensure_ascii=False)
        context.path(RESULT).write_text(text, encoding="utf-8")
        return summary(result, RESULT)

    return run_stage(folder, "parity", _recipe(options), parents, produce, ParityRecord)


def _apart(options: ParityOptions, compared: Callable[[], ParityResult]) -> Artifact:
    """Return a comparison that is no stage of a folder, written where the user says."""
    with Meter() as meter:
        result = compared()
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result.to_json(), ensure_ascii=False)
        options.output.write_text(text, encoding="utf-8")
    return Artifact(
        folder=options.reference.parent,
        stage="parity",
        key="",
        digest=digest_json(result.to_json()),
        facts=summary(result).to_json(),
        seconds=meter.seconds,
        peak_rss_bytes=meter.peak_rss_bytes,
    )


def summary(result: ParityResult, file: str | None = None) -> ParityRecord:
    """Return what a reader needs first: the verdict, and each candidate's.

    Args:
        result: The comparison.
        file: Where it lies in the folder; None puts it into the record itself.
    """
    rows = result.generation.candidates if result.generation is not None else ()
    return ParityRecord(
        file=file,
        passed=result.passed,
        reference=result.reference,
        candidates=tuple(_candidate(entry) for entry in result.candidates()),
        generation=tuple(_generation(row) for row in rows),
        bisect=result.bisect,
        notes=result.notes,
        coverage={name: part.coverage for name, part in result.parts.items() if part.coverage},
        result=result if file is None else None,
    )


def _candidate(entry: CandidateRecord) -> CandidateSummary:
    return CandidateSummary(
        name=entry.name,
        part=entry.part,
        precision=entry.precision,
        passed=entry.passed,
        skipped=entry.skipped,
        usage=_worst([output.usage for output in entry.outputs]),
        why=next((o.problem for o in entry.outputs if o.problem), ""),
        measures=_measures(entry),
    )


def _measures(entry: CandidateRecord) -> tuple[MeasureRecord, ...]:
    """Return of each measure the output that comes closest to its limit, or leaves it furthest."""
    found: dict[str, MeasureRecord] = {}
    for measure in (m for output in entry.outputs for m in output.measures):
        best = found.get(measure.name)
        if best is None or _loss(measure) > _loss(best):
            found[measure.name] = measure
    return tuple(found.values())


def _loss(measure: MeasureRecord) -> float:
    if measure.value is None:
        return math.inf
    return -measure.value if measure.name in LEAST else measure.value


def _generation(row: GenerationRow) -> GenerationSummary:
    return GenerationSummary(
        name=row.name,
        passed=row.passed,
        skipped=row.skipped,
        texts=row.texts,
        equal=row.equal,
        near_ties=row.near_ties,
    )


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
    return recipe
