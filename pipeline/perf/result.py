"""From raw samples to the plain data the manifest and the report hold."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import psutil

from pipeline.perf.clock import Samples
from pipeline.perf.contender import Job
from pipeline.perf.statistics import Ratio, compare_times, summarize
from pipeline.records.perf import OverallRecord, RatioRecord, TimingRecord

BUSY = 0.6
FEW_SESSIONS = 5


def latencies(samples: Samples, jobs: Sequence[Job]) -> tuple[TimingRecord, ...]:
    """Return the summary of every contender and series, raw samples included.

    The first call of each turn has been left out already; throughput counts rows per second.
    """
    by_name = {job.name: job for job in jobs}
    found = []
    for contender, series in samples.times.items():
        for name, sessions in series.items():
            job = by_name[name.partition("/")[0]]
            calls = [ms for rounds in sessions for turn in rounds for ms in turn]
            summary = summarize(calls)
            part = name.partition("/")[2]
            tokens = job.generation.tokens if job.generation is not None and not part else None
            found.append(
                TimingRecord(
                    contender=contender,
                    job=job.name,
                    series=part,
                    latency=summary.record(),
                    rows_per_s=job.sizes.get("batch", 1) / summary.median * 1e3,
                    samples=tuple(tuple(map(tuple, rounds)) for rounds in sessions),
                    tokens_per_s=None if tokens is None else tokens / summary.median * 1e3,
                )
            )
    return tuple(found)


def round_medians(sessions: Sequence[Sequence[Sequence[float]]]) -> list[list[float]]:
    """Return the median of each turn's calls, by session."""
    return [[statistics.median(turn) for turn in rounds] for rounds in sessions]


def ratios(
    samples: Samples,
    jobs: Sequence[Job],
    baselines: Sequence[str],
    devices: Mapping[str, str] | None = None,
) -> tuple[RatioRecord, ...]:
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
                found.append(_ratio_record(contender, baseline, job.name, ratio))
    return tuple(found)


def _ratio_record(contender: str, baseline: str, job: str, ratio: Ratio) -> RatioRecord:
    """Return a ratio with its names; an interval from one session has no upper end."""
    ends = {
        n: v if math.isfinite(v) else None for n, v in (("low", ratio.low), ("high", ratio.high))
    }
    told = {**vars(ratio), **ends}
    return RatioRecord(contender=contender, baseline=baseline, job=job, **told)


def overall(rows: Sequence[RatioRecord], name: str, baseline: str) -> OverallRecord | None:
    """Return the geometric mean of a contender's ratios over all jobs, and the verdicts' tally."""
    mine = [row for row in rows if row.contender == name and row.baseline == baseline]
    if not mine:
        return None
    verdicts = [row.verdict for row in mine]
    return OverallRecord(
        contender=name,
        baseline=baseline,
        value=math.exp(sum(math.log(row.value) for row in mine) / len(mine)),
        faster=verdicts.count("faster"),
        slower=verdicts.count("slower"),
        no_difference=verdicts.count("no difference"),
        jobs=len(mine),
    )


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
