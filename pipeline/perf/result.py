"""From raw samples to the plain data the manifest and the report hold."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from pipeline.perf.clock import Samples
from pipeline.perf.contender import Job
from pipeline.perf.statistics import compare_times, summarize
from pipeline.types import Json

BUSY = 0.6
FEW_SESSIONS = 5


def latencies(samples: Samples, jobs: Sequence[Job]) -> list[dict[str, Json]]:
    """Return the summary of every contender and series, raw samples included.

    The first call of each turn has been left out already; throughput counts rows per second.
    """
    by_name = {job.name: job for job in jobs}
    found: list[dict[str, Json]] = []
    for contender, series in samples.times.items():
        for name, sessions in series.items():
            job = by_name[name.partition("/")[0]]
            calls = [ms for rounds in sessions for turn in rounds for ms in turn]
            summary = summarize(calls)
            entry: dict[str, Json] = {
                "contender": contender,
                "job": job.name,
                "series": name.partition("/")[2],
                "latency": summary.to_json(),
                "rows_per_s": job.sizes.get("batch", 1) / summary.median * 1e3,
                "samples": [[list(turn) for turn in rounds] for rounds in sessions],
            }
            if job.generation is not None and not entry["series"]:
                entry["tokens_per_s"] = job.generation.tokens / summary.median * 1e3
            found.append(entry)
    return found


def round_medians(sessions: Sequence[Sequence[Sequence[float]]]) -> list[list[float]]:
    """Return the median of each turn's calls, by session."""
    return [[statistics.median(turn) for turn in rounds] for rounds in sessions]


def ratios(
    samples: Samples,
    jobs: Sequence[Job],
    baselines: Sequence[str],
    devices: Mapping[str, str] | None = None,
) -> list[dict[str, Json]]:
    """Return how many times faster each contender is than each baseline, job by job.

    Args:
        samples: Raw samples of all contenders.
        jobs: What was timed.
        baselines: Names in order of precedence; a pair of them is listed once.
        devices: Contender -> device; only contenders on one device are compared.
    """
    found = []
    where = devices or {}
    for baseline in baselines:
        if baseline not in samples.times:
            continue
        for contender in samples.times:
            if contender == baseline or _before(contender, baseline, baselines):
                continue
            if where.get(contender) != where.get(baseline):
                continue
            for job in jobs:
                ratio = compare_times(
                    round_medians(samples.times[baseline][job.name]),
                    round_medians(samples.times[contender][job.name]),
                )
                about: dict[str, Json] = {
                    "contender": contender,
                    "baseline": baseline,
                    "job": job.name,
                }
                found.append({**about, **_finite(ratio.to_json())})
    return found


def overall(rows: Sequence[Mapping[str, Any]], name: str, baseline: str) -> dict[str, Json] | None:
    """Return the geometric mean of a contender's ratios over all jobs, and the verdicts' tally."""
    import math

    mine = [row for row in rows if row["contender"] == name and row["baseline"] == baseline]
    if not mine:
        return None
    verdicts = [str(row["verdict"]) for row in mine]
    return {
        "contender": name,
        "baseline": baseline,
        "value": math.exp(sum(math.log(row["value"]) for row in mine) / len(mine)),
        "faster": verdicts.count("faster"),
        "slower": verdicts.count("slower"),
        "no_difference": verdicts.count("no difference"),
        "jobs": len(mine),
    }


def machine_warnings(sessions: int, load_before: float) -> list[str]:
    """Return what makes these numbers doubtful."""
    found = []
    cores = psutil.cpu_count() or 1
    if load_before > BUSY * cores:
        found.append(
            f"The machine was busy before the measurement: load {load_before:.1f} "
            f"on {cores} logical cores."
        )
    if sessions < FEW_SESSIONS:
        found.append(f"Only {sessions} sessions: the intervals are wide.")
    return found


def load_average() -> float:
    """Return the processes that wanted to run in the last minute."""
    return float(psutil.getloadavg()[0])


def _before(contender: str, baseline: str, baselines: Sequence[str]) -> bool:
    """Return whether the pair is already listed the other way round."""
    order = list(baselines)
    return contender in order and order.index(contender) < order.index(baseline)


def _finite(ratio: dict[str, Json]) -> dict[str, Json]:
    """JSON has no infinity: an interval from one session has no upper end."""
    return {k: None if v in (float("inf"), float("-inf")) else v for k, v in ratio.items()}
