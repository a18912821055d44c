"""From raw samples to a ratio with an interval and a verdict; pure functions.

A *session* is one fresh opening of every contender, a *round* one interleaved turn inside it: all
contenders run once per round, so a slow moment of the machine hits them alike and the ratio of
one round cancels it. What a session decides once (memory layout, thread placement) does not
average out over its rounds; hence the interval is resampled over sessions first.

The bootstrap's percentiles are too narrow for a handful of sessions. The interval uses expanded
percentiles: the level whose normal quantile is sqrt(n / (n - 1)) times Student's t with n - 1
degrees of freedom. Source: Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, §4.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pipeline.records.perf import LatencyRecord, SpeedVerdict

LEVEL = 0.99
ZONE = 0.01
DRAWS = 4000

Sessions = Sequence[Sequence[float]]
"""Milliseconds of each round, by session."""


@dataclass(frozen=True)
class Ratio:
    """How many times faster one contender is than another.

    Attributes:
        value: Baseline time divided by the contender's time; above 1 is faster.
        low, high: The interval at `level`.
        sessions, rounds: How many of each it rests on.
        verdict: Whether the whole interval lies outside the zone around 1.
        resolved: False when "no difference" only means that the interval is too wide to tell.
    """

    value: float
    low: float
    high: float
    sessions: int
    rounds: int
    verdict: SpeedVerdict
    resolved: bool
    level: float = LEVEL
    zone: float = ZONE


def compare_times(baseline: Sessions, contender: Sessions, seed: int = 0) -> Ratio:
    """Return the ratio of the times of interleaved rounds, baseline over contender.

    Args:
        baseline: Milliseconds by session and round.
        contender: The same shape: round r of session s ran beside the baseline's.
        seed: Of the resampling.
    """
    logs = [
        np.log(np.asarray(base, np.float64)) - np.log(np.asarray(other, np.float64))
        for base, other in zip(baseline, contender, strict=True)
    ]
    middle = float(np.mean([np.median(rounds) for rounds in logs]))
    low, high = interval(resample(logs, seed), len(logs))
    return judged(
        math.exp(middle),
        math.exp(min(low, middle)),
        math.exp(max(high, middle)),
        len(logs),
        sum(rounds.size for rounds in logs),
    )


def judged(value: float, low: float, high: float, sessions: int, rounds: int) -> Ratio:
    """Return the ratio with its verdict; an interval that is not finite resolves nothing."""
    upper, lower = 1 + ZONE, 1 / (1 + ZONE)
    verdict: SpeedVerdict = (
        "faster" if low > upper else "slower" if high < lower else "no difference"
    )
    resolved = verdict != "no difference" or (low >= lower and high <= upper)
    return Ratio(value, low, high, sessions, rounds, verdict, resolved)


def resample(sessions: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """Return the statistic on DRAWS samples: sessions drawn first, then rounds within each."""
    random = np.random.default_rng(seed)
    count = len(sessions)
    # The median of every session's rounds, redrawn many times, made once and shared by all draws.
    medians = np.stack(
        [
            np.median(rounds[random.integers(0, rounds.size, (DRAWS, rounds.size))], axis=1)
            for rounds in sessions
        ]
    )
    chosen = random.integers(0, count, (DRAWS, count))
    draws: np.ndarray = medians[chosen, np.arange(DRAWS)[:, None]].mean(axis=1)
    return draws


def interval(draws: np.ndarray, sessions: int) -> tuple[float, float]:
    """Return the expanded percentile interval; everything when there is but one session."""
    if sessions < 2:
        return -math.inf, math.inf
    wide = math.sqrt(sessions / (sessions - 1)) * student_quantile((1 + LEVEL) / 2, sessions - 1)
    tail = NormalDist().cdf(-wide)
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def student_quantile(probability: float, freedom: int) -> float:
    """Return Student's t quantile for a probability above one half, to 1e-6."""
    angle = np.linspace(0.0, math.pi / 2, 200_001)
    # With t = sqrt(v) tan(a) the density is proportional to cos(a)^(v - 1).
    weight = np.cos(angle) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    at = np.interp((probability - 0.5) * 2 * mass[-1], mass, angle)
    return math.sqrt(freedom) * math.tan(float(at))


@dataclass(frozen=True)
class Latency:
    """Summary of all calls of one contender at one shape, in milliseconds."""

    calls: int
    mean: float
    std: float
    min: float
    median: float
    p90: float
    p95: float
    p99: float
    max: float

    @property
    def unstable(self) -> bool:
        """Whether the spread is large enough to doubt the machine: above 10 % of the median."""
        return self.std > 0.1 * self.median

    def record(self) -> LatencyRecord:
        """Return the fields, and whether it is unstable."""
        return LatencyRecord(**vars(self), unstable=self.unstable)


def summarize(calls_ms: Sequence[float]) -> Latency:
    """Return the percentiles of the raw samples (at least one)."""
    values = np.asarray(calls_ms, np.float64)
    median, p90, p95, p99 = np.percentile(values, [50, 90, 95, 99])
    return Latency(
        calls=values.size,
        mean=float(values.mean()),
        std=float(values.std()),
        min=float(values.min()),
        median=float(median),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
        max=float(values.max()),
    )
