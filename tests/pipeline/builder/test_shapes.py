import pytest

from pipeline.builder.shapes import (
    InputSpec,
    check_shape,
    dim_range,
    evaluate,
    names_in,
)
from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange


def test_a_size_below_zero_is_no_shape():
    check_shape("ids", (0, 4))
    with pytest.raises(UsageError, match="'ids' cannot have the shape 1x-2"):
        check_shape("ids", (1, -2))


def test_dim_ranges():
    assert dim_range("batch", (1, 8, 16)) == SizeRange(1, 8, 16)
    assert dim_range("batch", (1, 16)) == SizeRange(1, 16, 16)
    assert dim_range("batch", 4) == SizeRange(4, 4, 4)


@pytest.mark.parametrize("values", [(2, 1), (-1, 2, 3), (1, 3, 2)])
def test_bad_dim_ranges(values):
    with pytest.raises(UsageError, match="of batch does not ascend"):
        dim_range("batch", values)


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
