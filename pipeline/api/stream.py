"""An answer as an iterator: generation tells a listener, a reader wants to ask."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import generate


class _Left(Exception):
    """Raised inside a generation whose reader has gone."""


def pieces_of(source: TextSource, options: GenerateOptions) -> Iterator[str]:
    """Yield the text of one answer as it is made, in another thread.

    The generation ends where the iterator is closed, and its error is raised here.
    """
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    left = threading.Event()

    def sink(piece: str) -> None:
        if left.is_set():
            raise _Left
        pieces.put(piece)

    def work() -> None:
        try:
            generate(source, options, sink)
            pieces.put(None)
        except BaseException as error:  # handed to the reader, who raises it
            pieces.put(error)

    worker = threading.Thread(target=work, name="pipeline-stream", daemon=True)
    worker.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            if piece:
                yield piece
    finally:
        left.set()
        worker.join()
