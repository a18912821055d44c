"""Progress where there is no terminal: a line per step, and of one step not more than now and then.

What stands before a step's first colon names the step, what follows is where it has got to:
`building: Optimizing graph`. A log thus holds every step, a long step shows that it lives, and a
builder that reports hundreds of times a second does not fill it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INTERVAL_S = 10.0  # between two lines of one step


class Lines:
    """Writes lines of progress, at most one of each step per interval.

    A line that came too early is written when its time has come, unless another has taken its
    place: the last line always says what goes on.

    Args:
        write: Called with each line, now or from a timer's thread.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._last = ""
        self._due: dict[str, float] = {}  # step -> when its next line may come
        self._waiting: tuple[str, str] | None = None
        self._timer: threading.Timer | None = None

    def show(self, text: str, count: str = "") -> None:
        """Write what goes on, now or as soon as its step may have a line again."""
        step = text.partition(":")[0]
        with self._lock:
            if text == self._last and not count:
                return
            self._last = text
            wait = self._due.get(step, 0.0) - time.monotonic()
            if wait <= 0:
                self._put(step, text + count)
            else:
                self._waiting = (step, text + count)
                if self._timer is None:
                    self._timer = threading.Timer(wait, self._ring)
                    self._timer.daemon = True
                    self._timer.start()

    def stop(self) -> None:
        """Write nothing more of what goes on now; each step after this is a new one."""
        with self._lock:
            self._waiting, self._last = None, ""
            self._due.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _put(self, step: str, line: str) -> None:
        self._waiting = None
        self._due[step] = time.monotonic() + INTERVAL_S
        self._write(line)

    def _ring(self) -> None:
        with self._lock:
            self._timer = None
            if self._waiting is not None:
                self._put(*self._waiting)
