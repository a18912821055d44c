"""Arrays become values and come back, whatever their type; memory is shared or lent on purpose."""

import gc
import sys

import ml_dtypes
import numpy as np
import pytest

from pipeline.errors import EnvironmentMissingError
from pipeline.ort.values import fit, lend_array, to_array, to_value

TYPES = (np.float32, np.float16, np.float64, ml_dtypes.bfloat16, np.int64, np.int32, np.bool_)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_arrays_come_back(dtype, shape):
    array = np.ones(shape, dtype)
    for back in (to_array, lend_array):
        found = back(to_value(array))
        assert (found.dtype, found.shape) == (array.dtype, shape)
        np.testing.assert_array_equal(found, array)


def test_a_value_is_the_arrays_own_memory():
    for dtype in (np.float32, ml_dtypes.bfloat16):
        array = np.zeros(3, dtype)
        value = to_value(array)
        array[:] = 2
        assert to_array(value).tolist() == [2, 2, 2]


def test_what_is_lent_keeps_its_value_alive():
    array = np.full(1000, 7, np.float32)
    value = to_value(array)
    lent = lend_array(value)
    del value, array
    gc.collect()
    assert np.full(1000, 3, np.float32).sum() == 3000
    assert (lent == 7).all()


@pytest.mark.parametrize(
    ("dtype", "kind", "found"),
    [
        (np.float64, "tensor(float)", np.float32),
        (np.float32, "tensor(bfloat16)", ml_dtypes.bfloat16),
        (ml_dtypes.bfloat16, "tensor(float16)", np.float16),
        (np.float32, "tensor(double)", np.float64),
        (np.int64, "tensor(float)", np.int64),
        (np.float32, "tensor(int64)", np.float32),
        (np.int32, "tensor(int64)", np.int32),
    ],
)
def test_floats_are_fitted_and_nothing_else_is(dtype, kind, found):
    assert fit(np.ones(2, dtype), kind).dtype == found


def test_what_fits_is_handed_on_and_what_is_strided_is_made_contiguous():
    array = np.ones((2, 3), np.float32)
    assert fit(array, "tensor(float)") is array
    assert fit(array.T, "tensor(float)").flags.c_contiguous
    assert fit(np.array(1.0), "tensor(float)").shape == ()  # a scalar stays one


def test_bfloat16_without_ml_dtypes_says_what_to_install(monkeypatch):
    value = to_value(np.ones(2, ml_dtypes.bfloat16))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    for call in (lambda: to_array(value), lambda: fit(np.ones(2), "tensor(bfloat16)")):
        with pytest.raises(EnvironmentMissingError, match="bfloat16") as caught:
            call()
        assert caught.value.fix == "pip install ml_dtypes"
    assert fit(np.ones(2), "tensor(float)").dtype == np.float32
