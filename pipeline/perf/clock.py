"""Who runs when: interleaved turns in a rotating order, each after a quiet moment.

Measured trap: a runtime's spinning threads slow whichever contender comes next, enough to turn
the ranking round. So every contender lives in a process of its own, all others are idle for
QUIET_S before a turn begins, and the order rotates so that nobody always follows the same one.
Of processes that hold large weights, those opened late ran up to 1.5 times faster than the same
opened first, so that the order of opening changes from session to session as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

QUIET_S = 0.1
FEWEST_SESSIONS = 3
LONG_MS = 200.0


@dataclass(frozen=True)
class Schedule:
    """How much to measure.

    Attributes:
        sessions: Fresh openings of every contender; intervals are resampled over them.
        rounds: Interleaved turns of each contender inside a session.
        turn_s: How long one contender runs one job in one turn, unless that takes fewer than
            `fewest` calls.
        fewest, most: Bounds on the calls per turn and job.
        quiet_s: Silence before each turn.
        limit_s: No further session begins after this, once there are FEWEST_SESSIONS.
    """

    sessions: int = 6
    rounds: int = 5
    turn_s: float = 0.04
    fewest: int = 1
    most: int = 100
    quiet_s: float = QUIET_S
    limit_s: float = 90.0

    def calls(self, one_ms: float) -> int:
        """Return how many calls of this length make a turn."""
        return max(self.fewest, min(self.most, round(self.turn_s * 1e3 / max(one_ms, 1e-3))))


class Worker(Protocol):
    """A contender in its own process."""

    name: str

    def open(self) -> None:
        """Load the model afresh."""

    def time(self, job: str, calls: int) -> dict[str, list[float]]:
        """Return the milliseconds of each call, after a first one that is not recorded.

        The series named like the job holds whole calls; others may split them up.
        """

    def close(self) -> None:
        """Drop the model."""


@dataclass
class Samples:
    """Raw samples: contender -> series -> session -> round -> milliseconds of each call."""

    times: dict[str, dict[str, list[list[list[float]]]]] = field(default_factory=dict)

    def add(self, name: str, session: int, turn: dict[str, list[float]]) -> None:
        """Append one turn of one contender."""
        for series, calls_ms in turn.items():
            sessions = self.times.setdefault(name, {}).setdefault(series, [])
            while len(sessions) <= session:
                sessions.append([])
            sessions[session].append(calls_ms)


def measure(
    workers: Sequence[Worker],
    jobs: Sequence[str],
    plan: Schedule,
    progress: Callable[[int, int], None] = lambda done, total: None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Samples:
    """Return the raw samples of all contenders on all jobs.

    Args:
        workers: The contenders; at least one.
        jobs: Names every worker knows: a part at a shape, or a generation.
        plan: How much.
        progress: Receives turns done and in total.
        sleep: Waits; replaced in tests.
        now: Seconds that pass; replaced in tests.
    """
    samples, done = Samples(), 0
    total = plan.sessions * plan.rounds * len(workers)
    calls: dict[tuple[str, str], int] = {}
    start = now()
    for session in range(plan.sessions):
        if session >= FEWEST_SESSIONS and now() - start > plan.limit_s:
            break
        for worker in opening(workers, session):
            worker.open()
            for job in jobs:
                warm = worker.time(job, 1)[job]
                if min(warm) < LONG_MS:  # one call may have met a disturbance
                    warm += worker.time(job, 4)[job]
                key = worker.name, job
                calls[key] = max(calls.get(key, 0), plan.calls(min(warm)))
        for turn in range(plan.rounds):
            for worker in rotated(workers, session * plan.rounds + turn):
                sleep(plan.quiet_s)
                for job in jobs:
                    taken = worker.time(job, calls[worker.name, job])
                    samples.add(worker.name, session, taken)
                done += 1
                progress(done, total)
        for worker in workers:
            worker.close()
    return samples


def opening(workers: Sequence[Worker], session: int) -> list[Worker]:
    """Return the order of opening: one way and back, then starting further on.

    Over two sessions everyone has the same place on average.
    """
    pair, back = divmod(session, 2)
    shift = pair * max(1, len(workers) // 3) % len(workers)
    order = [*workers[shift:], *workers[:shift]]
    return order[::-1] if back else order


def rotated(workers: Sequence[Worker], by: int) -> list[Worker]:
    """Return the workers starting with another one each time, every second time backwards.

    A mere rotation keeps everyone behind the same neighbour.
    """
    shift = by % len(workers)
    order = [*workers[shift:], *workers[:shift]]
    return order[::-1] if (by // len(workers)) % 2 else order
