import numpy as np
import pytest

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.parity.compare import (
    Allowed,
    Tolerance,
    attempt,
    check_types,
    judge_outputs,
    measure,
    run_cases,
)
from pipeline.parity.results import Case


class Fake:
    """Computes x @ w with a chosen relative error per element."""

    def __init__(self, noise=0.0, seed=0, dtype=np.float32, spoil=None):
        self.noise, self.dtype, self.spoil = noise, dtype, spoil
        self.random = np.random.default_rng(seed)

    def run(self, feeds):
        exact = feeds["x"].astype(np.float64) @ np.arange(12.0).reshape(4, 3)
        error = self.random.normal(0, 1, exact.shape) * self.noise * 10
        value = (exact + error).astype(self.dtype)
        return {"y": value if self.spoil is None else self.spoil(value)}


@pytest.fixture
def cases():
    random = np.random.default_rng(7)
    return [
        Case(f"seed {i}", "plain", {"batch": 50}, {"x": random.normal(size=(50, 4))}, seed=i)
        for i in range(4)
    ]


def verdict(cases, candidate, noise, precision="fp32", tolerance=None):
    references = run_cases(Fake(dtype=np.float64), cases)
    own = {} if noise is None else {precision: measure(Fake(noise, seed=1), cases, references)}
    got = measure(candidate, cases, references)
    (result,) = judge_outputs(got, cases, Allowed({"y": precision}, own, tolerance))
    return result


@pytest.mark.parametrize(
    ("factor", "passed"), [(0.5, True), (1.0, True), (1.6, True), (3.0, False), (100.0, False)]
)
def test_up_to_twice_the_noise_of_torch_passes(cases, factor, passed):
    result = verdict(cases, Fake(1e-5 * factor, seed=2), 1e-5)
    assert result.passed is passed
    assert result.usage == pytest.approx(factor / 2, rel=0.5)


def test_one_bad_element_fails_however_small_the_rest(cases):
    def spoil(value):
        value[0, 0] = np.nan
        return value

    result = verdict(cases, Fake(0, spoil=spoil), 1e-5)
    assert not result.passed
    assert result.record().usage is None


def test_another_shape_fails_with_words(cases):
    result = verdict(cases, Fake(0, spoil=lambda value: value[:1]), 1e-5)
    assert "shape [1, 3] instead of shape [50, 3]" in result.problem
    assert not result.passed


def test_without_noise_only_rounding_is_allowed(cases):
    assert verdict(cases, Fake(0), None).passed
    assert not verdict(cases, Fake(1e-4), None).passed
    assert verdict(cases, Fake(1e-4), None, precision="fp16").passed


def test_a_tolerance_replaces_the_budget(cases):
    assert verdict(cases, Fake(1e-3), 1e-9, tolerance=Tolerance(absolute=1.0)).passed
    assert not verdict(cases, Fake(1e-9), 1e-3, tolerance=Tolerance(absolute=1e-12)).passed


def test_the_histogram_counts_every_inexact_element(cases):
    result = verdict(cases, Fake(1e-3, seed=3), 1e-3)
    assert sum(result.histogram) == result.errors.count == 600
    assert sum(result.noise_histogram) == 600
    assert result.kappa == pytest.approx(result.noise.rms * 2**23)


def test_the_noise_of_large_inputs_does_not_excuse_ordinary_ones(cases):
    large = Case("big", "large", {}, {"x": np.ones((50, 4))})
    references = run_cases(Fake(dtype=np.float64), [*cases, large])
    noisy = measure(Fake(1e-5, seed=1), [*cases, large], references)
    loud = measure(Fake(1.0, seed=1), [*cases, large], references)
    noisy.errors["y"][-1] = loud.errors["y"][-1]
    got = measure(Fake(1e-3, seed=2), [*cases, large], references)
    (result,) = judge_outputs(got, [*cases, large], Allowed({"y": "fp32"}, {"fp32": noisy}))
    assert not result.passed
    assert result.worst_case != "big"
    assert result.noise.rms < 1e-4


@pytest.mark.parametrize(
    ("precision", "style", "passed"),
    [("fp32", "plain", True), ("fp16", "plain", False), ("fp16", "large", True)],
)
def test_what_torch_itself_loses_binds_only_ordinary_16_bit_inputs(precision, style, passed):
    case = Case("c", style, {}, {"x": np.ones((50, 4))})

    def overflow(value):
        value[0] = np.inf
        return value

    references = run_cases(Fake(dtype=np.float64), [case])
    own = measure(Fake(1e-5, seed=1, spoil=overflow), [case], references)
    got = measure(Fake(1e-5, seed=2, spoil=overflow), [case], references)
    allowed = Allowed({"y": precision}, {precision: own})
    assert judge_outputs(got, [case], allowed)[0].passed is passed


def test_types_must_be_the_references_or_the_promised_one(cases):
    references = run_cases(Fake(dtype=np.float64), cases)
    for dtype, allowed, problem in (
        (np.float32, [], ""),
        (np.float16, [], "type float16 instead of float32"),
        (np.float16, [np.dtype(np.float16)], ""),
    ):
        got = measure(Fake(dtype=dtype), cases, references)
        check_types(got, {"y": np.dtype(np.float32)}, allowed)
        assert got.problems.get("y", "") == problem


def test_a_case_the_runtime_fails_on_is_a_failed_result(cases):
    class Fails(Fake):
        def run(self, feeds):
            if self.noise:
                raise BadModelError("the kernel gave up")
            self.noise = 1
            return super().run(feeds)

    result = verdict(cases, Fails(0), 1e-5)
    assert not result.passed
    assert result.problem == "the kernel gave up (case seed 1)"


def test_what_the_environment_lacks_is_told_and_other_errors_are_not_hidden():
    def absent():
        raise EnvironmentMissingError("No GPU.", fix="Get one.")

    def wrong():
        raise UsageError("bad")

    assert attempt(absent) == (None, "No GPU. Get one.")
    with pytest.raises(UsageError):
        attempt(wrong)


def test_nothing_finite_left_to_compare_is_a_failure_with_its_own_words(cases):
    lost = [{"y": np.full((50, 3), np.nan)} for _ in cases]
    got = measure(Fake(spoil=lambda value: value * np.nan), cases, lost)
    (result,) = judge_outputs(got, cases, Allowed({"y": "fp32"}))
    assert not result.passed
    assert "nothing finite is left to compare: none of the 600 values" in result.problem


def test_equal_infinities_match_beside_numbers(cases):
    def masked(value):
        value[:, 0] = -np.inf
        return value

    truth = run_cases(Fake(dtype=np.float64, spoil=masked), cases)
    got = measure(Fake(spoil=masked), cases, truth)
    assert judge_outputs(got, cases, Allowed({"y": "fp32"}))[0].passed
    other = measure(Fake(spoil=lambda value: -masked(value)), cases, truth)
    assert not judge_outputs(other, cases, Allowed({"y": "fp32"}))[0].passed


def test_a_quantised_output_is_held_to_its_loss_on_ordinary_cases(cases):
    large = Case("big", "large", {}, {"x": np.ones((50, 4))})
    every = [*cases, large]
    truth = run_cases(Fake(dtype=np.float64), every)
    allowed = Allowed({"y": "int8"})

    def judged_with(noise, **spoilt):
        return judge_outputs(measure(Fake(noise, **spoilt), every, truth, ["y"]), every, allowed)[0]

    assert judged_with(0.02).passed
    assert not judged_with(0.5).passed
    lost = judged_with(0.0, spoil=lambda value: value * np.where(np.arange(3) == 1, np.nan, 1))
    assert not lost.passed
    assert lost.usage == float("inf")
