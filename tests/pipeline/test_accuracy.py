import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accuracy import Budget, Errors, compare, magnitude, spread, usage


def test_known_errors():
    reference = np.array([1.0, 2.0, 3.0, 4.0])
    got = compare(np.array([1.0, 2.5, 3.0, 3.0], np.float32), reference)
    assert got == Errors(4, pytest.approx((1.25 / 4) ** 0.5), 1.0, 1.0, 0)


def test_the_quantile_leaves_out_one_in_a_thousand():
    values = np.zeros(10_000)
    values[:10] = 5.0
    assert spread(values).quantile == 0.0
    values[10] = 5.0
    assert spread(values).quantile == 5.0
    assert spread(np.array([1.0, 7.0])).quantile == 7.0


@pytest.mark.parametrize(
    ("candidate", "reference", "bad"),
    [
        (np.nan, 1.0, 1),
        (np.inf, 1.0, 1),
        (1.0, np.nan, 0),
        (np.nan, np.nan, 0),
        (-np.inf, -np.inf, 0),
        (np.inf, -np.inf, 1),
        (-1e9, -np.inf, 1),
        (float(np.finfo(np.float32).min), -np.inf, 0),
        (np.nan, -np.inf, 1),
    ],
)
def test_what_counts_as_lost(candidate, reference, bad):
    got = compare(np.array([candidate, 2.0], np.float32), np.array([reference, 2.0]))
    assert got.bad == bad


def test_an_infinite_reference_binds():
    wanted = np.array([1.0, np.inf, -np.inf])
    assert compare(np.array([1.0, 3.0, np.nan]), wanted).bad == 2
    assert compare(wanted, wanted) == Errors(count=1)  # the infinite ones are no errors to average


def test_what_is_missing_or_has_another_shape_is_lost_whole():
    for candidate in (None, np.zeros((3, 2)), np.zeros(6)):
        assert compare(candidate, np.zeros((2, 3))) == Errors(count=6, bad=6)


def test_rows_count_by_their_share_of_the_error():
    draw = np.random.default_rng(0)
    zero = np.zeros((2, 100, 64))
    assert compare(zero + 1, zero).rows == pytest.approx(200)
    assert 180 < compare(draw.normal(size=zero.shape), zero).rows < 200
    one = zero.copy()
    one[1, 7] = 1e-30
    assert compare(one, zero).rows == pytest.approx(1)
    one[0, 3:6] = 1e-30
    assert compare(one, zero).rows == pytest.approx(4)
    assert compare(zero, zero).rows == np.inf
    assert compare(zero, zero).to_json()["rows"] is None
    assert compare(np.ones(9), np.zeros(9)).rows == np.inf  # no rows to tell apart
    masked = np.where(np.arange(64) < 5, -np.inf, one)
    assert compare(masked, masked).rows == np.inf  # what is infinite on both sides is no error


def test_empty_arrays_have_no_error():
    assert compare(np.zeros((0, 3), np.float32), np.zeros((0, 3))) == Errors()


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_rms_does_not_leave_the_range(scale):
    assert spread(np.array([3.0, 4.0]) * scale).rms == pytest.approx(scale * 12.5**0.5)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, ml_dtypes.bfloat16, np.bool_])
def test_any_real_type_compares(dtype):
    assert compare(np.array([1, 0], dtype), np.array([1.0, 0.0])) == Errors(2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_rms_quantile_and_maximum_are_ordered(values):
    got = magnitude(np.array(values))
    assert got.rms <= got.max * (1 + 1e-12)
    assert got.quantile <= got.max


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (Errors(100, 1e-3, 3e-3, 4e-3), 0.5),
        (Errors(100, 3e-3, 3e-3, 4e-3), 1.5),
        (Errors(100, 1e-3, 9e-3, 9e-3), 1.5),
        (Errors(100, 1e-3, 3e-3, 48e-3), 1.5),
        (Errors(100, 0.0, 0.0, 0.0, bad=1), float("inf")),
        (Errors(100), 0.0),
    ],
    ids=["within", "rms", "quantile", "max", "lost", "exact"],
)
def test_each_measure_can_use_up_the_budget(errors, expected):
    allowed = Budget(rms=2e-3, quantile=6e-3, max=32e-3)
    assert usage(errors, allowed) == pytest.approx(expected)


def test_of_no_budget_only_nothing_is_used():
    assert usage(Errors(9), Budget(0.0, 0.0, 0.0)) == 0.0
    assert usage(Errors(9, max=1e-30), Budget(1.0, 1.0, 0.0)) == np.inf
