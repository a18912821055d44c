"""One measurement from start to end: processes up, turns taken, results worked out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.errors import EnvironmentMissingError, PipelineError
from pipeline.graph.files.model_file import load_model
from pipeline.perf.clock import Samples, Schedule, measure
from pipeline.perf.contender import Contender, Job
from pipeline.perf.contenders import (
    BASELINES,
    default_threads,
    file_contenders,
    folder_contenders,
)
from pipeline.perf.jobs import generation_job, part_jobs, part_sizes
from pipeline.perf.limits import roofline_rows
from pipeline.perf.options import PerfOptions
from pipeline.perf.own_optimizer import optimize_with_runtime
from pipeline.perf.remote import RemoteWorker
from pipeline.perf.result import latencies, load_average, machine_warnings, overall, ratios
from pipeline.records.export import ExportRecord
from pipeline.records.perf import (
    ContenderRecord,
    JobRecord,
    PerfResult,
    RatioRecord,
    ScheduleRecord,
)
from pipeline.records.variant import is_variant, variant_record
from pipeline.tensorrt_api import find_gpu
from pipeline.types import Progress

PART = "model"


def measure_folder(
    options: PerfOptions, folder: Path, artifacts: Mapping[str, Artifact], progress: Progress
) -> PerfResult:
    """Return the result of measuring everything a folder holds."""
    exported = ExportRecord.of(artifacts["export"])
    others = {n: variant_record(made) for n, made in artifacts.items() if is_variant(n)}
    threads = options.threads or default_threads()
    made, left = folder_contenders(
        folder, exported.parts, others, options.against, threads, _torch_has_gpu()
    )
    with tempfile.TemporaryDirectory() as temp:
        made = [_with_own_optimizer(contender, Path(temp), progress) for contender in made]
        jobs: list[Job] = []
        for name, part in exported.parts.items():
            model = load_model(folder / part.file)
            plans = list(part_sizes(part, options.batch, options.seq))
            jobs += part_jobs(name, model, plans, Path(temp))
        length = (options.seq or (32,))[0]
        text = generation_job(exported, options.tokens, length, Path(temp))
        jobs += [text] if text is not None else []
        return measure_contenders(options, made, jobs, left, BASELINES, progress)


def measure_files(options: PerfOptions, progress: Progress) -> PerfResult:
    """Return the result of measuring files against the first of them.

    Raises:
        EnvironmentMissingError: one of them cannot run here; it was named, so that matters.
    """
    from pipeline.perf.jobs_files import file_jobs

    threads = options.threads or default_threads()
    made = file_contenders(options.models, PART, threads)
    with tempfile.TemporaryDirectory() as temp:
        jobs = file_jobs(options.models, PART, options.batch, options.seq, Path(temp))
        result = measure_contenders(options, made, jobs, {}, (made[0].name,), progress)
    for contender in result.contenders:
        if contender.skipped:
            raise EnvironmentMissingError(contender.skipped, where=contender.name)
    return result


def _torch_has_gpu() -> bool:
    """Return whether PyTorch can run on a GPU here, without importing it where there is none."""
    if find_gpu() is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def _with_own_optimizer(contender: Contender, temp: Path, progress: Progress) -> Contender:
    """Return the contender with ONNX Runtime's own fusions applied, if that is what it is."""
    if contender.name != "ort-optimizer":
        return contender
    files = {}
    for part, file in contender.files.items():
        progress.step(f"ONNX Runtime's own optimizer on {part}")
        target = temp / f"{part}.ort-optimizer.onnx"
        optimize_with_runtime(Path(file), target)
        files[part] = str(target)
    return replace(contender, files=files)


def measure_contenders(
    options: PerfOptions,
    contenders: Sequence[Contender],
    jobs: Sequence[Job],
    left: Mapping[str, str],
    baselines: Sequence[str],
    progress: Progress,
) -> PerfResult:
    """Return the result of measuring contenders in turns, those that cannot run here left out.

    Args:
        options: How much to measure.
        contenders: At least one that runs here.
        jobs: What each of them is timed on.
        left: Names of contenders left out already, with the reason.
        baselines: Names whose times are divided by those of the others.
        progress: Told what is going on.

    Raises:
        EnvironmentMissingError: None of them can run here.
    """
    load = load_average()
    skipped = dict(left)
    schedule = _schedule(options)
    with ExitStack() as stack:
        workers = _start(contenders, jobs, skipped, stack, progress)
        if not workers:
            raise EnvironmentMissingError("nothing here can be measured", where=str(skipped))
        peaks = [workers[0].probe(jobs)] if options.roofline else []
        samples = _turns(workers, jobs, schedule, progress)
        peaks += [workers[0].probe(jobs)] if peaks else []
        rows = latencies(samples, jobs)
        roofline = roofline_rows(workers, jobs, rows, peaks, progress) if peaks else ()
        about = [_about(worker) for worker in workers]
    devices = {worker.name: str(worker.contender.device) for worker in workers}
    compared = ratios(samples, jobs, baselines, devices)
    means = [overall(compared, name, base) for name in samples.times for base in baselines]
    gate, kept = _gate(options.min_speedup, compared), _kept(schedule, samples)
    return PerfResult(
        passed=not gate,
        gate=gate,
        ratios=compared,
        overall=tuple(mean for mean in means if mean is not None),
        plan=kept,
        threads=contenders[0].threads,
        jobs=tuple(_job(job) for job in jobs),
        contenders=(*about, *_absent(skipped)),
        results=rows,
        roofline=roofline,
        warnings=tuple(machine_warnings(kept.sessions, load)),
    )


def _turns(
    workers: Sequence[RemoteWorker], jobs: Sequence[Job], schedule: Schedule, progress: Progress
) -> Samples:
    return measure(
        workers,
        [job.name for job in jobs],
        schedule,
        lambda done, total: progress.step("measuring in turns", done, total),
    )


def _schedule(options: PerfOptions) -> Schedule:
    turn_s, limit_s = options.turn_ms / 1e3, options.time_limit_s
    return Schedule(options.sessions, options.rounds, turn_s, limit_s=limit_s)


def _kept(schedule: Schedule, samples: Samples) -> ScheduleRecord:
    """Return how much was measured: the time limit may have cut sessions off."""
    made = max(len(s) for series in samples.times.values() for s in series.values())
    return ScheduleRecord(**{**vars(schedule), "sessions": made}, sessions_asked=schedule.sessions)


def _absent(skipped: Mapping[str, str]) -> list[ContenderRecord]:
    return [
        ContenderRecord(name=name, kind="", describe={}, skipped=why)
        for name, why in skipped.items()
    ]


def _start(
    contenders: Sequence[Contender],
    jobs: Sequence[Job],
    skipped: dict[str, str],
    stack: ExitStack,
    progress: Progress,
) -> list[RemoteWorker]:
    """Return the processes of the contenders that can run here; note why the others cannot."""
    workers: list[RemoteWorker] = []
    for contender in contenders:
        progress.step(f"starting {contender.name}", len(workers), len(contenders))
        worker = RemoteWorker(contender, jobs)
        stack.callback(worker.stop)
        try:
            worker.open()
            worker.close()
            workers.append(worker)
        except PipelineError as err:
            skipped[contender.name] = f"{err.what} {err.fix}".strip()
    return workers


def _about(worker: RemoteWorker) -> ContenderRecord:
    contender = worker.contender
    return ContenderRecord(
        name=contender.name,
        kind=contender.kind,
        precision=contender.precision,
        device=contender.device,
        threads=contender.threads,
        describe=worker.describe,
        load_s=tuple(worker.load_s),
        peak_rss_bytes=worker.peak_rss_bytes,
        skipped="",
    )


def _job(job: Job) -> JobRecord:
    tokens = job.generation.tokens if job.generation is not None else None
    return JobRecord(name=job.name, part=job.part, sizes=job.sizes, tokens=tokens)


def _gate(least: float | None, compared: Sequence[RatioRecord]) -> tuple[str, ...]:
    """Return what misses the demanded speedup over the first baseline, in words."""
    if least is None:
        return ()
    first = compared[0].baseline if compared else ""
    return tuple(
        f"{row.contender} on {row.job}: {row.low or 0:.2f} times {first} at worst, "
        f"{least:g} was demanded"
        for row in compared
        if row.baseline == first and row.contender not in BASELINES
        if (row.low or 0.0) < least
    )
