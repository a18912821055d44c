"""Joins counted work, measured peaks and measured times: how near to the limit each graph is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.graph.files.model_file import load_model
from pipeline.graph.inference.facts import Facts
from pipeline.perf.contender import Job
from pipeline.perf.remote import RemoteWorker
from pipeline.perf.roofline import Cost, Peaks, count, limits
from pipeline.types import Progress


def roofline_rows(
    workers: Sequence[RemoteWorker],
    jobs: Sequence[Job],
    results: Sequence[Mapping[str, Any]],
    peaks: Sequence[Mapping[str, Any]],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Return the limit and the share reached of every graph on every job it was timed on.

    Args:
        workers: The contenders; those that run ONNX graphs are counted.
        jobs: What was timed.
        results: Summaries of the timings.
        peaks: Probes before and after.
        progress: Told what is going on.
    """
    best = best_of(peaks)
    medians = {
        (row["contender"], row["job"]): row["latency"]["median"]
        for row in results
        if not row["series"]
    }
    rows = []
    for worker in (w for w in workers if w.contender.kind == "ort"):
        for part, file in worker.contender.files.items():
            progress.step(f"counting the work of {worker.name}, {part}")
            model = load_model(Path(file))
            facts = Facts(model)
            for job in (job for job in jobs if job.part == part):
                costs, unknown = count(facts, model, job.sizes)
                inside = worker.profile(job.name, {n: c.construct for n, c in costs.items()})
                about = {"contender": worker.name, "job": job.name, "uncounted": unknown}
                found = _limits(costs, best, inside)
                measured = medians[worker.name, job.name]
                reached = {"measured_ms": measured, "share": found["limit_ms"] / measured}
                rows.append({**about, **reached, "peaks": vars(best), **found})
    return rows


def best_of(peaks: Sequence[Mapping[str, Any]]) -> Peaks:
    """Return the best of several probes: noise only ever lowers a rate."""
    return Peaks(
        flops=max(float(p["flops"]) for p in peaks),
        bytes=max(float(p["bytes"]) for p in peaks),
        precision=str(peaks[0]["precision"]),
        working_set_bytes=int(peaks[0]["working_set_bytes"]),
    )


def _limits(costs: Mapping[str, Cost], peaks: Peaks, inside: Mapping[str, float]) -> dict[str, Any]:
    """Return the limits with the profiled time of each construct beside its own."""
    table = limits(costs.values(), peaks)
    rows: Any = table["constructs"]
    for row in rows:
        row["measured_ms"] = inside.get(row["construct"])
    known = {row["construct"] for row in rows}
    rest = [
        {"construct": name, "flops": 0.0, "bytes": 0.0, "limit_ms": 0.0, "bound": "memory",
         "measured_ms": ms}
        for name, ms in inside.items() if name not in known
    ]  # fmt: skip
    return {**table, "constructs": [*rows, *rest]}
