"""Joins counted work, measured peaks and measured times: how near to the limit each graph is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.graph.files.model_file import load_model
from pipeline.graph.inference.facts import Facts
from pipeline.perf.contender import Job
from pipeline.perf.remote import RemoteWorker
from pipeline.perf.roofline import Peaks, count, limits
from pipeline.records.perf import ConstructLimit, PeaksRecord, RooflineRow, TimingRecord
from pipeline.types import Progress


def roofline_rows(
    workers: Sequence[RemoteWorker],
    jobs: Sequence[Job],
    results: Sequence[TimingRecord],
    peaks: Sequence[Peaks],
    progress: Progress,
) -> tuple[RooflineRow, ...]:
    """Return the limit and the share reached of every graph on every job it was timed on.

    Args:
        workers: The contenders; those that run ONNX graphs are counted.
        jobs: What was timed.
        results: Summaries of the timings.
        peaks: Probes before and after.
        progress: Told what is going on.
    """
    best = best_of(peaks)
    medians = {(row.contender, row.job): row.latency.median for row in results if not row.series}
    rows = []
    for worker in (w for w in workers if w.contender.kind == "ort"):
        for part, file in worker.contender.files.items():
            progress.step(f"counting the work of {worker.name}, {part}")
            model = load_model(Path(file))
            facts = Facts(model)
            for job in (job for job in jobs if job.part == part):
                costs, unknown = count(facts, model, job.sizes)
                inside = worker.profile(job.name, {n: c.construct for n, c in costs.items()})
                least = limits(costs.values(), best)
                measured = medians[worker.name, job.name]
                rows.append(
                    RooflineRow(
                        contender=worker.name,
                        job=job.name,
                        uncounted=unknown,
                        measured_ms=measured,
                        share=least.limit_ms / measured,
                        peaks=PeaksRecord(**vars(best)),
                        flops=least.flops,
                        bytes=least.bytes,
                        limit_ms=least.limit_ms,
                        constructs=_measured(least.constructs, inside),
                    )
                )
    return tuple(rows)


def best_of(peaks: Sequence[Peaks]) -> Peaks:
    """Return the best of several probes: noise only ever lowers a rate."""
    return replace(peaks[0], flops=max(p.flops for p in peaks), bytes=max(p.bytes for p in peaks))


def _measured(
    constructs: Sequence[ConstructLimit], inside: Mapping[str, float]
) -> tuple[ConstructLimit, ...]:
    """Return the limits with the profiled time beside each, and what was profiled besides."""
    known = {row.construct for row in constructs}
    rest = [
        ConstructLimit(
            construct=name, flops=0.0, bytes=0.0, limit_ms=0.0, bound="memory", measured_ms=ms
        )
        for name, ms in inside.items()
        if name not in known
    ]
    return (*(replace(row, measured_ms=inside.get(row.construct)) for row in constructs), *rest)
