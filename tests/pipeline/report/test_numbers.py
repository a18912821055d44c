import math

import pytest

from pipeline.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (0, "0"),
        (1, "1.00"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1\u202f234"),
        (2.5e-7, "2.50e-7"),
        (3e9, "3.00e9"),
        (-0.5, "-0.500"),
    ],
)
def test_numbers(value, text):
    assert numbers.number(value) == text


def test_units():
    assert numbers.milliseconds(0.0421) == "42.1 µs"
    assert numbers.milliseconds(42.1) == "42.1 ms"
    assert numbers.milliseconds(42100) == "42.1 s"
    assert numbers.seconds(0.25) == "250 ms"
    assert numbers.seconds(93.4) == "93.4 s"
    assert numbers.seconds(190) == "3 min 10 s"
    assert numbers.size(532) == "532 B"
    assert numbers.size(6.1e6) == "6.10 MB"
    assert numbers.rate(4.12e10, "FLOP/s") == "41.2 GFLOP/s"
    assert numbers.times(1.4159) == "1.42×"
    assert numbers.interval(1.4, math.inf) == "1.40 – ?"
    assert numbers.sizes({"batch": 8, "seq": 128}) == "batch 8 · seq 128"
    assert numbers.count(1, "site") == "1 site"
    assert numbers.count(2, "head") == "2 heads"


def test_almost_all_is_not_all():
    assert numbers.percent(0.9999) == "99.9\u202f%"
    assert numbers.percent(1.0) == "100\u202f%"
    assert numbers.percent(0.424) == "42\u202f%"
