"""What a measurement says: latencies, ratios with their intervals, and limits of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from pipeline.records.record import Finite, Place, Record

SpeedVerdict: TypeAlias = Literal["faster", "slower", "no difference"]
SessionSamples: TypeAlias = tuple[tuple[tuple[Finite, ...], ...], ...]
"""Milliseconds of each call, by session and round."""


@dataclass(frozen=True, kw_only=True)
class RatioRecord:
    """How many times faster one contender is than another, on one job.

    Attributes:
        value: Baseline time divided by the contender's; above 1 is faster.
        low, high: The interval at `level`; None where that end is open.
        sessions, rounds: How many of each it rests on.
        resolved: False when "no difference" only means that the interval is too wide to tell.
        zone: Half the width of the zone around 1 that counts as equal.
    """

    contender: str
    baseline: str
    job: str
    value: Finite
    low: Finite | None
    high: Finite | None
    sessions: int
    rounds: int
    verdict: SpeedVerdict
    resolved: bool
    level: Finite
    zone: Finite


@dataclass(frozen=True, kw_only=True)
class OverallRecord:
    """The geometric mean of a contender's ratios over all jobs, and its verdicts' tally."""

    contender: str
    baseline: str
    value: Finite
    faster: int
    slower: int
    no_difference: int
    jobs: int


@dataclass(frozen=True, kw_only=True)
class ScheduleRecord:
    """How much was measured; see `perf.clock.Schedule`.

    Attributes:
        sessions: Those that were made.
        sessions_asked: Those that were asked for.
    """

    sessions: int
    rounds: int
    turn_s: Finite
    fewest: int
    most: int
    quiet_s: Finite
    limit_s: Finite
    sessions_asked: int


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """One thing that was timed.

    Attributes:
        part: The part that ran, empty for a whole generation.
        sizes: The dynamic sizes.
        tokens: New tokens of a generation, None for a part.
    """

    name: str
    part: str
    sizes: Mapping[str, int]
    tokens: int | None


@dataclass(frozen=True, kw_only=True)
class ContenderRecord:
    """One way of running the model.

    Attributes:
        kind: Which runner opened it, empty for one that was left out.
        precision, device, threads: What it computed in, where, with how many threads; None for
            one that was left out.
        describe: Part -> what really ran.
        load_s: Seconds each opening took; None for one that was left out.
        peak_rss_bytes: Highest resident memory of its process; None for one that was left out.
        skipped: Why it was left out, empty when it was not.
    """

    name: str
    kind: str
    precision: str | None = None
    device: str | None = None
    threads: int | None = None
    describe: Mapping[str, Mapping[str, str]]
    load_s: tuple[Finite, ...] | None = None
    peak_rss_bytes: int | None = None
    skipped: str


@dataclass(frozen=True, kw_only=True)
class LatencyRecord:
    """Summary of all calls of one contender on one job, in milliseconds.

    Attributes:
        unstable: Whether the spread is large enough to doubt the machine.
    """

    calls: int
    mean: Finite
    std: Finite
    min: Finite
    median: Finite
    p90: Finite
    p95: Finite
    p99: Finite
    max: Finite
    unstable: bool


@dataclass(frozen=True, kw_only=True)
class TimingRecord:
    """One series of one contender on one job.

    Attributes:
        series: Empty for whole calls; "first" and "next" for the tokens of a generation.
        latency: Over all calls.
        rows_per_s: Rows of the batch per second.
        samples: Every call; None in a summary.
        tokens_per_s: Of a generation, None for a part.
    """

    contender: str
    job: str
    series: str
    latency: LatencyRecord
    rows_per_s: Finite
    samples: SessionSamples | None = None
    tokens_per_s: Finite | None = None


@dataclass(frozen=True, kw_only=True)
class PeaksRecord:
    """Best rates seen on this machine: FLOPs and bytes per second."""

    flops: Finite
    bytes: Finite
    precision: str
    working_set_bytes: int


@dataclass(frozen=True, kw_only=True)
class ConstructLimit:
    """The work of one construct, the least time it takes, and the time it took.

    Attributes:
        bound: What limits it.
        measured_ms: From the runtime's profile; None where it names no such construct.
    """

    construct: str
    flops: Finite
    bytes: Finite
    limit_ms: Finite
    bound: Literal["compute", "memory"]
    measured_ms: Finite | None


@dataclass(frozen=True, kw_only=True)
class RooflineRow:
    """How near one graph comes to the machine's limit on one job.

    Attributes:
        uncounted: Nodes whose work could not be counted.
        measured_ms: Its median latency.
        share: Of the limit that was reached.
        flops, bytes, limit_ms: Of the whole graph.
        constructs: The same by construct.
    """

    contender: str
    job: str
    uncounted: int
    measured_ms: Finite
    share: Finite
    peaks: PeaksRecord
    flops: Finite
    bytes: Finite
    limit_ms: Finite
    constructs: tuple[ConstructLimit, ...]


@dataclass(frozen=True, kw_only=True)
class _Measured:
    passed: bool
    gate: tuple[str, ...]
    ratios: tuple[RatioRecord, ...]
    overall: tuple[OverallRecord, ...]
    plan: ScheduleRecord
    threads: int
    jobs: tuple[JobRecord, ...]
    contenders: tuple[ContenderRecord, ...]
    results: tuple[TimingRecord, ...]
    roofline: tuple[RooflineRow, ...]
    warnings: tuple[str, ...]

    def calls_of(self, job: str) -> list[TimingRecord]:
        """Return the whole-call timings of a job, contenders in the order they were given."""
        return [row for row in self.results if row.job == job and not row.series]


@dataclass(frozen=True, kw_only=True)
class PerfResult(Record, _Measured):
    """A whole measurement, as `perf/perf.json` holds it.

    Attributes:
        passed: Whether the gate held, or none was set.
        gate: What missed it, in words.
        ratios: Every contender against every baseline, job by job.
        overall: The same over all jobs.
        plan: How much was measured.
        threads: Inside one operator.
        jobs, contenders: What was timed, and who.
        results: Every series with its samples.
        roofline: Empty where it was not asked for.
        warnings: What makes these numbers doubtful.

    Examples:
        >>> from pipeline import PerfOptions, PerfRecord, measure_perf
        >>> options = PerfOptions(
        ...     ("model.onnx", "fused.onnx"),
        ...     batch=(1,), sessions=1, rounds=1, turn_ms=1, roofline=False,  # a quick look
        ... )
        >>> made = measure_perf(options)
        >>> [row.contender for row in PerfRecord.of(made).result.ratios]
        ['fused.onnx']
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "perf"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    file: Place | None = None


@dataclass(frozen=True, kw_only=True)
class PerfRecord(Record, _Measured, _Kept):
    """The facts of the stage `perf`: the result without its samples; see `PerfResult`.

    Attributes:
        file: Where the whole result lies; None for a measurement of files.
        result: The whole result of a measurement of files; None in a folder.

    Examples:
        >>> from pipeline import PerfOptions, PerfRecord, measure_perf
        >>> options = PerfOptions(
        ...     ("model.onnx", "fused.onnx"),
        ...     batch=(1,), sessions=1, rounds=1, turn_ms=1, roofline=False,  # a quick look
        ... )
        >>> made = measure_perf(options)
        >>> PerfRecord.of(made).passed
        True
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "perf"

    result: PerfResult | None = None
