from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.perf.options import PerfOptions

HERE = (Path("out"),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": ()},
        {"against": ("eager", "magic")},
        {"sessions": 0},
        {"rounds": 0},
        {"tokens": -1},
        {"threads": -1},
        {"batch": ()},
        {"batch": (0,)},
        {"seq": (8, 0)},
        {"turn_ms": 0.0},
        {"min_speedup": 0.0},
    ],
    ids=str,
)
def test_values_outside_their_range_are_refused(wrong):
    with pytest.raises(UsageError):
        PerfOptions(**{"models": HERE, **wrong})


def test_defaults_are_fine():
    assert PerfOptions(HERE).against == ("eager", "ort")
