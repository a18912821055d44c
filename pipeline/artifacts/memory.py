"""Wall time and peak memory of a piece of work."""

from __future__ import annotations

import contextlib
import re
import resource
import time
from pathlib import Path
from types import TracebackType


class Meter:
    """Measures the seconds and the highest resident memory between enter and exit.

    On Linux the kernel's high-water mark is reset first, so the figure is this work's own;
    elsewhere it is the process's since it started. Children that ended meanwhile count too.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_rss_bytes = 0

    def __enter__(self) -> Meter:
        """Start the clock."""
        self._start = time.perf_counter()
        self._children = _children_peak()
        with contextlib.suppress(OSError):  # not Linux: the mark then covers the whole process
            Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the clock and read the mark."""
        self.seconds = time.perf_counter() - self._start
        children = _children_peak()
        self.peak_rss_bytes = max(_own_peak(), children if children > self._children else 0)


def _own_peak() -> int:
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _children_peak() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
