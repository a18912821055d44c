"""Sizes and tensors as several records use them."""

import pytest

from pipeline.records.record import as_json, read
from pipeline.records.tensors import SizeRange, TensorSpec, axes_of


def test_an_axis_is_found_by_the_name_of_its_size():
    values = [TensorSpec("x", "float32", ("batch", 4)), TensorSpec("y", "float32", (3, "batch")),
              TensorSpec("z", "float32", (3, "seq"))]  # fmt: skip
    assert axes_of(values, "batch") == {"x": 0, "y": 1}
    assert axes_of(values, "4") == {}


@pytest.mark.parametrize("size", ["batch", 4, None, -1], ids=str)
def test_a_size_is_a_number_a_name_or_unknown(size):
    spec = TensorSpec("x", "int64", (size,))
    assert read(TensorSpec, as_json(spec)) == spec


@pytest.mark.parametrize("size", [2.0, True, ["batch"]], ids=str)
def test_a_size_is_nothing_else(size):
    with pytest.raises(ValueError, match=r"shape\[0\]"):
        read(TensorSpec, {"name": "x", "dtype": "int64", "shape": [size]})


def test_a_range_has_three_ends():
    assert as_json(SizeRange(1, 2, 3)) == {"min": 1, "opt": 2, "max": 3}
    with pytest.raises(ValueError, match="missing required field `opt`"):
        read(SizeRange, {"min": 1, "max": 3})
