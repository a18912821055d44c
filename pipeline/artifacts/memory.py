"""Wall time and peak memory of a piece of work."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from types import TracebackType


class Meter:
    """Measures the seconds and the highest resident memory between enter and exit.

    On Linux the kernel's high-water mark is reset first, so the figure is this work's own;
    elsewhere it is the process's since it started, or what it holds at the end. Children that
    ended meanwhile count too where the system says so.
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
        self.peak_rss_bytes = max(peak_rss_bytes(), children if children > self._children else 0)


def peak_rss_bytes() -> int:
    """Return this process's highest resident memory, or what it holds where no peak is kept.

    Linux's own mark is read, not `ru_maxrss`: that hands a parent's peak to the child.
    """
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024
    import psutil

    held = psutil.Process().memory_info()
    return int(getattr(held, "peak_wset", held.rss))


def _children_peak() -> int:
    """Return the highest resident memory of a child that has ended, 0 where it is not told."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
