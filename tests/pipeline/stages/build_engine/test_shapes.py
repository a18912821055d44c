import pytest

from pipeline.errors import UsageError
from pipeline.stages.build_engine.shapes import (
    DimRange,
    InputSpec,
    evaluate,
    names_in,
    parse_dim_range,
    parse_shapes,
)


def test_shapes_in_trtexec_spelling():
    assert parse_shapes("ids:1x8,mask:1x8") == {"ids": (1, 8), "mask": (1, 8)}
    assert parse_shapes("'a:b':0x4") == {"a:b": (0, 4)}
    assert parse_shapes("scalar:") == {"scalar": ()}


@pytest.mark.parametrize("text", ["ids", "ids:1xB", ":1x2", "ids:1x-2", "a:1,a:2"])
def test_bad_shapes(text):
    with pytest.raises(UsageError):
        parse_shapes(text)


def test_dim_ranges():
    assert parse_dim_range("batch=1:8:16") == ("batch", DimRange(1, 8, 16))
    assert parse_dim_range("batch=1:16") == ("batch", DimRange(1, 16, 16))
    assert parse_dim_range("batch=4") == ("batch", DimRange(4, 4, 4))


@pytest.mark.parametrize("text", ["batch", "batch=a", "batch=2:1", "=3", "b=1:2:3:4", "b=-1:2:3"])
def test_bad_dim_ranges(text):
    with pytest.raises(UsageError):
        parse_dim_range(text)


def test_expressions_of_dims():
    sizes = {"past": 3, "seq": 2, "a b": 7}
    assert evaluate("past + seq", sizes) == 5
    assert evaluate("2*seq - 1", sizes) == 3
    assert evaluate("a b", sizes) == 7
    assert evaluate(9, sizes) == 9
    assert evaluate("past + other", sizes) is None
    assert evaluate("__import__('os')", sizes) is None
    assert names_in("past + seq") == {"past", "seq"}
    assert names_in("seq.1") == {"seq.1"}
    assert names_in(4) == frozenset()


def test_dynamic():
    assert InputSpec("x", "float32", ("b", 2)).dynamic
    assert not InputSpec("x", "float32", (1, 2)).dynamic
