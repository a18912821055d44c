"""One thread that decodes the answers of many requests together, row by row."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from pipeline.stages.runners.decoding import Decoder
from pipeline.stages.runners.prefixes import Prefixes
from pipeline.stages.runners.row_batch import RowBatch
from pipeline.tasks.answer import Answer, Ending


class QueueFullError(Exception):
    """As many requests wait as may."""


@dataclass(frozen=True)
class Token:
    """One token of an answer.

    Attributes:
        token: Its id.
        logprob: The logarithm of its probability; NaN unless it was asked for.
        likeliest: Ids and logarithms of the likeliest tokens in its place, as many as asked for.
    """

    token: int
    logprob: float = float("nan")
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Ended:
    """The end of an answer, and why it came: an end mark, the length, or an error."""

    ending: Ending | None
    error: BaseException | None = None


Event: TypeAlias = Token | Ended


@dataclass
class Job:
    """One answer that is wanted.

    Attributes:
        prompt: Its ids.
        answer: What it grows into.
        tell: Called with every event, in the generator's thread.
        logprobs: How many likeliest tokens to tell beside each; None for no probabilities.
        left: Set by whoever no longer wants the answer.
        known: Ids of the prompt that had been read before, for another answer.
    """

    prompt: Sequence[int]
    answer: Answer
    tell: Callable[[Event], None]
    logprobs: int | None = None
    left: threading.Event = field(default_factory=threading.Event)
    known: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether more tokens are wanted."""
        return self.answer.ending is None and not self.left.is_set()


class Generator:
    """Decodes up to `rows` answers together; others wait, and join as soon as one has ended.

    Args:
        decoder: Steps the model.
        rows: Most answers at once.
        waiting: Most that wait.
        name: Of the thread.
        prefix_bytes: Memory for texts that later prompts may begin with.

    Attributes:
        rows: Most answers at once.
        prefixes: The texts that are remembered.
    """

    def __init__(
        self, decoder: Decoder, *, rows: int, waiting: int, name: str, prefix_bytes: int = 0
    ) -> None:
        self._decoder, self.rows, self._most_waiting = decoder, rows, waiting
        self.prefixes = Prefixes(prefix_bytes)
        self._batch, self._rows = RowBatch(decoder, self.prefixes), list[Job]()
        self._waiting: deque[Job] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """How many answers are being decoded."""
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs on, all or none.

        Raises:
            QueueFullError: That many may not wait.
        """
        with self._changed:
            free = self.rows - len(self._rows)
            if self._closed or len(self._waiting) + len(jobs) > self._most_waiting + free:
                raise QueueFullError
            self._waiting.extend(jobs)
            self._changed.notify()

    def close(self) -> None:
        """End every answer, and the thread."""
        with self._changed:
            self._closed = True
            for job in (*self._waiting, *self._rows):
                job.left.set()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (newcomers := self._newcomers()) is not None:
            try:
                self._turn(newcomers)
            except Exception as error:  # of this turn: every row of it is told, the next may work
                self._fail([*newcomers, *self._rows], error)

    def _newcomers(self) -> list[Job] | None:
        """Wait until there is work; return the jobs that join, None where all is over."""
        with self._changed:
            while not (self._waiting or self._rows or self._closed):
                self._changed.wait()
            if self._closed and not self._waiting and not self._rows:
                return None
            joining: list[Job] = []
            room = self.rows - sum(job.goes_on for job in self._rows)
            while self._waiting and len(joining) < room:
                job = self._waiting.popleft()
                if job.goes_on:
                    joining.append(job)
                else:
                    job.tell(Ended(None))
            return joining

    def _turn(self, newcomers: Sequence[Job]) -> None:
        """Let rows go and others join, then give every row one more token."""
        self._exchange(newcomers)
        self._exchange(())
        if self._rows:
            scores = self._batch.step([job.answer.last for job in self._rows])
            for job, row in zip(self._rows, scores, strict=True):
                _take(job, row)

    def _exchange(self, newcomers: Sequence[Job]) -> None:
        before, keep = self._rows, [n for n, job in enumerate(self._rows) if job.goes_on]
        self._rows = [before[place] for place in keep]
        for job in before:
            if not job.goes_on:
                job.tell(Ended(job.answer.ending))
        prompts = [job.prompt for job in newcomers]

        def hear(number: int, scores: np.ndarray, known: int) -> None:
            newcomers[number].known = known
            _take(newcomers[number], scores)

        self._batch.exchange(keep, prompts, hear)
        self._rows += newcomers

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        self._batch, self._rows = RowBatch(self._decoder, self.prefixes), []
        for job in {id(job): job for job in jobs}.values():
            job.tell(Ended(None, error))


def _take(job: Job, scores: np.ndarray) -> None:
    """Give a job its next token."""
    token = job.answer.take(scores)
    if job.logprobs is None:
        job.tell(Token(token))
        return
    logs = scores.astype(np.float64)
    logs -= logs.max()
    logs -= np.log(np.exp(logs).sum())
    best = np.argsort(-logs, kind="stable")[: job.logprobs].tolist()
    job.tell(Token(token, float(logs[token]), tuple((i, float(logs[i])) for i in best)))
