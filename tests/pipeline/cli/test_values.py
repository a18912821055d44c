"""Values as they are typed, and as a configuration file holds them."""

from __future__ import annotations

import click
import pytest

from pipeline.cli.values import CommaList, Gate, MemoryPool, Pairs, Range, Shapes, Whole, joined

GOOD = [
    (CommaList(click.INT), "1, 8", (1, 8)),
    (CommaList(click.INT), [1, "8"], (1, 8)),
    (Whole(click.STRING), "a,b", ("a,b",)),
    (Whole(click.STRING), ["a,b", "c"], ("a,b", "c")),
    (Pairs(click.INT), "batch=4,seq = 8", {"batch": 4, "seq": 8}),
    (Pairs(click.INT), {"batch": 4}, {"batch": 4}),
    (Pairs(click.INT), ["batch=4", "seq=8"], {"batch": 4, "seq": 8}),
    (Pairs(Range()), "batch=1:8:16,past + seq=4", {"batch": (1, 8, 16), "past + seq": 4}),
    (Shapes(), "ids:1x8,mask:1x8", {"ids": (1, 8), "mask": (1, 8)}),
    (Shapes(), "'a:b':0x4", {"a:b": (0, 4)}),
    (Shapes(), "scalar:", {"scalar": ()}),
    (Shapes(), {"ids": [1, 8], "mask": "1x8"}, {"ids": (1, 8), "mask": (1, 8)}),
    (Range(), "1:16", (1, 16)),
    (Range(), [1, 8, 16], (1, 8, 16)),
    (Range(), 4, 4),
    (Gate(), "12", 12),
    (Gate(), "all", "all"),
    (MemoryPool(), "workspace:4096", 4096 << 20),
    (MemoryPool(), "workspace:1.5G", 3 << 29),
    (MemoryPool(), "workspace:64KiB", 64 << 10),
    (MemoryPool(), "4GiB", 4 << 30),
    (MemoryPool(), 1 << 30, 1 << 30),
]
BAD = [
    (Pairs(click.INT), "batch", "is no pair such as name=4"),
    (Pairs(click.INT), "batch=x", "is not a valid integer"),
    (Pairs(click.INT), "b=1,b=2", "'b' is given twice: 1 and 2"),
    (Pairs(Range()), "=3", "is no pair such as batch=1:8:16"),
    (Shapes(), "ids", "is no input shape"),
    (Shapes(), ":1x2", "is no input shape"),
    (Shapes(), "ids:1xB", "is no shape"),
    (Shapes(), "a:1,a:2", "'a' is given twice"),
    (Range(), "a", "is no range"),
    (Range(), "1:2:3:4", "is no range"),
    (Gate(), "most", "attention=12"),
    (Pairs(Gate()), "attention", "is no pair such as attention=12"),
    (MemoryPool(), "lots", "workspace:4096"),
    (MemoryPool(), "dla:1", "workspace:4096"),
    (MemoryPool(), "workspace:4Q", "workspace:4096"),
]


def called(value):
    """Return a name that is the same in every process: an object's own holds its address."""
    return type(value).__name__ if isinstance(value, click.ParamType) else repr(value)[:40]


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD, ids=called)
def test_what_is_written_becomes_a_value(kind, value, expected):
    assert kind.convert(value, None, None) == expected


@pytest.mark.parametrize(("kind", "value", "says"), BAD, ids=called)
def test_what_is_no_value_is_said(kind, value, says):
    with pytest.raises(click.BadParameter, match=says):
        kind.convert(value, None, None)


def test_a_name_given_twice_alike_is_no_contradiction():
    assert joined([{"a": 1}, {"a": 1, "b": 2}]) == {"a": 1, "b": 2}
