"""Everything a folder knows, read into one record: the report's data.json."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pipeline.artifacts import Artifact, Folder, digest_file
from pipeline.claims.check import RESULTS, check_folder, kept_results
from pipeline.pack.results import changed_since, read_results
from pipeline.records.bundle import BundleRow
from pipeline.records.parity import ParityRecord, ParityResult
from pipeline.records.perf import PerfRecord, PerfResult
from pipeline.records.report import Elsewhere, MeasuredElsewhere, ReportData, StageData
from pipeline.toolchain import machine

ORDER = ("export", "optimize", "build-engine", "parity", "perf")

_Result = TypeVar("_Result", ParityResult, PerfResult)


def collect(folder: Folder, key: str) -> ReportData:
    """Return the data of every artifact in the folder, in the order of the stages.

    Args:
        folder: What is told of.
        key: Hash of everything the report is made from.

    Raises:
        FolderError: a manifest is damaged, or its record is one of another version's.
    """
    artifacts = [folder.stage(name) for name in folder.stages()]
    known = sorted((a for a in artifacts if a is not None), key=_place)
    named = {artifact.stage: artifact for artifact in known}
    judged = {name: a for name, a in named.items() if not folder.damage(a)}  # else a broken claim
    parity = ParityRecord.of(judged["parity"]).file if "parity" in judged else None
    perf = PerfRecord.of(judged["perf"]).file if "perf" in judged else None
    return ReportData(
        key=key,
        name=folder.path.name,
        machine=machine(),
        stages=tuple(stage_data(artifact) for artifact in known),
        parity=_whole(folder, parity, ParityResult),
        perf=_whole(folder, perf, PerfResult),
        claims=check_folder(folder),
        elsewhere=_elsewhere(folder),
    )


def stage_data(artifact: Artifact) -> StageData:
    """Return what the report says of one artifact."""
    return StageData(
        stage=artifact.stage,
        key=artifact.key,
        digest=artifact.digest,
        made=artifact.made,
        seconds=artifact.seconds,
        peak_rss_bytes=artifact.peak_rss_bytes,
        files=artifact.files,
        facts=artifact.facts,
        versions=artifact.versions,
        parents=artifact.parents,
        # A library's own log may name the folder; where it lay is nobody's business elsewhere.
        log=tuple(line.replace(f"{artifact.folder}/", "") for line in artifact.log),
    )


def add_results(folder: Folder, path: Path) -> None:
    """Keep a bundle's results in the folder, under a name of their contents.

    Raises:
        UsageError: the file is not one that a bundle wrote.
    """
    read_results(path)
    folder.write(f"{RESULTS}/{digest_file(path)[:12]}.json", path.read_bytes())


def _place(artifact: Artifact) -> tuple[int, str]:
    verb = artifact.stage.partition(".")[0]
    return (ORDER.index(verb) if verb in ORDER else len(ORDER), artifact.stage)


def _whole(folder: Folder, name: str | None, result: type[_Result]) -> _Result | None:
    """Return the whole result that a judging stage wrote, None where there is none."""
    path = folder.path / name if name is not None else None
    return result.read_file(path) if path is not None and path.is_file() else None


def _elsewhere(folder: Folder) -> tuple[Elsewhere, ...]:
    """Return what bundles measured on other machines, and what was made again since."""
    return tuple(
        Elsewhere(
            machine=results.machine,
            when=results.when,
            measured=tuple(_measured(row) for row in results.results),
            changed=changed_since(results, folder),
            file=path.name,
        )
        for path, results in kept_results(folder)
    )


def _measured(row: BundleRow) -> MeasuredElsewhere:
    return MeasuredElsewhere(
        name=row.name,
        precision=row.precision,
        ran=row.ran,
        right=row.right,
        device=(row.device if row.ran else row.reason) or "",
        latency_ms=row.latency_ms or {},
        cases=row.cases or (),
        median_ms=row.median_ms(),
    )
