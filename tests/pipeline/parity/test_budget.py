from dataclasses import replace

import pytest

from pipeline.accuracy import Errors
from pipeline.parity.budget import (
    ULP,
    budget_for,
    kappa,
    pool,
    within_tolerance,
)

SIZE = Errors(10**12, rms=2.0, quantile=5.0, max=10.0)
NOISE = Errors(10**12, rms=1e-3, quantile=3e-3, max=4e-3)


def test_twice_the_noise_and_eight_times_its_maximum():
    allowed = budget_for(NOISE, Errors(), SIZE, ULP["fp32"])
    assert allowed.rms == pytest.approx(2e-3, rel=1e-5)
    assert allowed.quantile == pytest.approx(6e-3, rel=1e-5)
    assert allowed.max == 32e-3


@pytest.mark.parametrize(("count", "widened"), [(16, 2.0), (1600, 1.1), (160_000, 1.01)])
def test_a_small_sample_says_less(count, widened):
    size = Errors(count, SIZE.rms, SIZE.quantile, SIZE.max)
    allowed = budget_for(NOISE, Errors(), size, ULP["fp32"])
    assert allowed.rms == pytest.approx(2e-3 * widened)
    assert allowed.quantile == pytest.approx(6e-3 * widened if count >= 1000 else 32e-3)
    assert allowed.max == 32e-3


@pytest.mark.parametrize(("rows", "widened"), [(900, 1.1), (9, 2.0), (1, 4.0), (0.5, 4.0)])
def test_noise_of_few_rows_says_less(rows, widened):
    """Noise that two positions of a text make varies from one rounding to the next as they do."""
    noise = replace(NOISE, rows=rows)
    allowed = budget_for(noise, Errors(), SIZE, ULP["fp32"])
    assert allowed.rms == pytest.approx(2e-3 * widened)
    assert allowed.quantile == pytest.approx(6e-3 * widened)
    assert allowed.max == 32e-3
    pooled = pool([(noise, SIZE), (NOISE, SIZE)])
    assert budget_for(Errors(), pooled, SIZE, ULP["fp32"]).rms == pytest.approx(
        2 * pooled.rms * SIZE.rms * widened
    )


def test_a_loud_case_is_there_to_find_overflow():
    allowed = budget_for(NOISE, Errors(), SIZE, ULP["fp32"], loud=True)
    assert (allowed.rms, allowed.quantile, allowed.max) == (32e-3, 96e-3, 128e-3)


def test_a_floor_of_four_ulps_when_torch_is_exact():
    allowed = budget_for(Errors(100), Errors(), SIZE, 2.0**-10)
    assert allowed.rms == 4 * 2.0**-10 * 2.0
    assert allowed.max == 4 * 2.0**-10 * 10.0


def test_a_floor_of_ulps_of_one_where_the_kernel_is_no_better():
    tiny = Errors(count=5000, rms=1e-6, quantile=2e-6, max=3e-6)
    allowed = budget_for(Errors(), Errors(), tiny, ULP["fp32"], unit=1.0)
    assert (allowed.rms, allowed.quantile, allowed.max) == (4 * ULP["fp32"],) * 3
    large = Errors(count=5000, rms=10.0, quantile=20.0, max=30.0)
    assert budget_for(Errors(), Errors(), large, ULP["fp32"], unit=1.0) == budget_for(
        Errors(), Errors(), large, ULP["fp32"]
    )


def test_a_lucky_case_uses_the_noise_of_all_cases():
    pooled = pool([(NOISE, SIZE), (Errors(10**12), SIZE)])
    assert pooled.rms == pytest.approx(1e-3 / 2.0 / 2**0.5)
    assert pooled.max == pytest.approx(2e-3)
    allowed = budget_for(Errors(100), pooled, SIZE, ULP["fp32"])
    assert allowed.rms == pytest.approx(2e-3 / 2**0.5, rel=1e-5)
    assert allowed.max == pytest.approx(32e-3)


def test_kappa_is_the_error_in_ulps():
    assert kappa(Errors(10, rms=3 * 2.0**-23), ULP["fp32"]) == 3.0


def test_an_explicit_tolerance_replaces_the_budget():
    assert within_tolerance(NOISE, SIZE, 8e-3, 0.0) == pytest.approx(0.5)
    assert within_tolerance(NOISE, SIZE, 0.0, 4e-4) == pytest.approx(1.0)
    assert within_tolerance(NOISE, SIZE, 0.0, 0.0) == float("inf")


def test_nothing_to_pool():
    assert pool([]) == Errors()
    assert pool([(NOISE, Errors(100))]) == Errors()
