"""One thread that answers the texts of many requests in batches: encoders, translators."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline.serve.generator import QueueFullError

Made = TypeVar("Made")


@dataclass(frozen=True)
class Text:
    """A text, and what it is asked under: only texts asked in the same way share a batch.

    Attributes:
        text: What the model reads, a string or the strings that it reads together.
        asked: Options of the request.
    """

    text: str | tuple[str, ...]
    asked: Hashable = None

    @property
    def length(self) -> int:
        """Its characters: near enough to its tokens to sort by."""
        return len(self.text) if isinstance(self.text, str) else sum(map(len, self.text))


class Batcher(Generic[Made]):
    """Answers texts up to `size` at a time, those of like length together.

    Args:
        work: Returns an answer for each of several texts that were asked in the same way.
        size: Most texts in one call.
        waiting: Most requests that wait.
        name: Of the thread.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Any], Any], Sequence[Made]],
        *,
        size: int,
        waiting: int,
        name: str,
    ) -> None:
        self._work, self._size, self._most_waiting = work, size, waiting
        self._queue: deque[tuple[Sequence[Text], Future[list[Made]]]] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def submit(self, texts: Sequence[Text]) -> Future[list[Made]]:
        """Return what will hold one answer per text.

        Raises:
            QueueFullError: No further request may wait.
        """
        future: Future[list[Made]] = Future()
        with self._changed:
            if self._closed or len(self._queue) >= self._most_waiting:
                raise QueueFullError
            self._queue.append((texts, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while taken := self._taken():
            wanted = [entry for entry in taken if entry[1].set_running_or_notify_cancel()]
            try:
                self._answer(wanted)
            except Exception:  # one text can spoil a batch: then every request is asked alone
                for entry in wanted:
                    _alone(self._answer, entry)

    def _taken(self) -> list[tuple[Sequence[Text], Future[list[Made]]]]:
        """Wait for requests; return as many as fill a batch, none where all is over."""
        with self._changed:
            while not (self._queue or self._closed):
                self._changed.wait()
            taken, count = [], 0
            while self._queue and count < self._size:
                taken.append(self._queue.popleft())
                count += len(taken[-1][0])
            return taken

    def _answer(self, entries: Sequence[tuple[Sequence[Text], Future[list[Made]]]]) -> None:
        """Answer requests together."""
        texts = [text for several, _ in entries for text in several]
        answers: dict[int, Made] = {}
        for asked in {text.asked: None for text in texts}:
            places = [n for n, text in enumerate(texts) if text.asked == asked]
            places.sort(key=lambda n: texts[n].length)
            for start in range(0, len(places), self._size):
                chosen = places[start : start + self._size]
                made = self._work([texts[n].text for n in chosen], asked)
                answers |= zip(chosen, made, strict=True)
        left = iter(range(len(texts)))
        for several, future in entries:
            future.set_result([answers[next(left)] for _ in several])


def _alone(answer: Callable[[Sequence[Any]], None], entry: tuple[Any, Future[Any]]) -> None:
    """Answer one request, or tell it what is wrong."""
    if entry[1].done():
        return
    try:
        answer([entry])
    except Exception as error:
        entry[1].set_exception(error)
