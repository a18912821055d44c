"""What the server can be told, and what it refuses."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.serve.options import ServeOptions


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"folders": ()}, "no folder"),
        ({"folders": ("a/x", "b/x")}, "two folders are called x"),
        ({"max_batch": 0}, "--max-batch 0"),
        ({"max_queue": 0}, "--max-queue 0"),
        ({"port": -1}, "--port -1"),
        ({"port": 65536}, "--port 65536"),
        ({"drain_seconds": -1}, "--drain-seconds -1"),
    ],
)
def test_values_outside_their_range_are_refused(given, says):
    with pytest.raises(UsageError, match=says):
        ServeOptions(**{"folders": ("x",), **given})


def test_nobody_else_reaches_it_unasked():
    assert ServeOptions(("x",)).host == "127.0.0.1"
