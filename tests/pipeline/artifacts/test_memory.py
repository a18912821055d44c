"""The meter sees the memory and time of the work inside it."""

from __future__ import annotations

import sys
import time

import pytest

from pipeline.artifacts.memory import Meter


def test_seconds():
    with Meter() as meter:
        time.sleep(0.05)
    assert 0.04 < meter.seconds < 5


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is reset through /proc")
def test_the_peak_is_of_the_work_inside_not_of_what_went_before():
    size = 200_000_000
    with Meter() as large:
        block = bytearray(size)
        block[::4096] = b"x" * len(block[::4096])  # touch each page
        del block
    with Meter() as small:
        pass
    assert large.peak_rss_bytes - small.peak_rss_bytes > 0.8 * size
