"""Measures of what quantisation costs: their values, their intervals, what they refuse."""

import numpy as np
import pytest

from pipeline.parity.measures import Measure, measure_outputs, wilson

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(5, 7, 30))


def named(given, wanted, kind="logits"):
    return {m.name: m for m in measure_outputs(given, wanted, kind)}


def test_the_same_scores_lose_nothing_and_agreement_stays_uncertain():
    found = named([SCORES], [SCORES])
    assert found["kl"].value == pytest.approx(0, abs=1e-12)
    assert (found["agreement"].value, found["drop"].value) == (1.0, 0.0)
    assert found["agreement"].low < 0.9, "35 rows prove little"


def test_kl_is_the_divergence_of_the_distributions():
    wanted, given = np.array([[0.0, np.log(3.0)]]), np.array([[0.0, 0.0]])
    expected = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    assert named([given], [wanted])["kl"].value == pytest.approx(expected)


def test_a_constant_added_to_scores_is_no_loss_and_to_values_is():
    assert named([SCORES + 9], [SCORES])["drop"].value == pytest.approx(0, abs=1e-12)
    assert named([SCORES + 9], [SCORES], "values")["drop"].value > 5


def test_a_scale_shows_in_the_drop_alone():
    found = named([3 * SCORES], [SCORES], "values")
    assert found["cosine"].value == pytest.approx(1)
    assert found["drop"].value == pytest.approx(2)


def test_intervals_hold_the_value():
    noisy = SCORES + RANDOM.normal(size=SCORES.shape) * 0.3
    for measure in named([noisy], [SCORES]).values():
        assert measure.low <= measure.value <= measure.high
        assert measure.low < measure.high


def test_lost_values_pass_no_limit():
    lost = SCORES.copy()
    lost[0, 0, 0] = np.nan
    found = named([lost], [SCORES])
    for name, limit in (("kl", 1e9), ("drop", 1e9), ("cosine", 0.0)):
        measure = found[name]
        judged = Measure(name, measure.value, measure.low, measure.high, limit)
        assert not judged.passed
        assert judged.usage == float("inf")


def test_rows_that_the_reference_lost_bind_nothing():
    wanted = SCORES.copy()
    wanted[0, 0] = np.nan
    assert named([SCORES], [wanted])["drop"].value == 0.0
    assert measure_outputs([SCORES], [SCORES * np.nan], "logits") == ()
    assert measure_outputs([], [], "logits") == ()


def test_zeros_for_values_are_a_whole_loss():
    found = named([SCORES * 0], [SCORES], "values")
    assert (found["cosine"].value, found["drop"].value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "value", "limit", "passed", "usage"),
    [("kl", 0.1, 0.2, True, 0.5), ("kl", 0.3, 0.2, False, 1.5), ("cosine", 0.9, 0.8, True, 0.5),
     ("agreement", 0.7, 0.8, False, 1.5), ("kl", 5.0, None, True, 0.0)],
)  # fmt: skip
def test_limits(name, value, limit, passed, usage):
    measure = Measure(name, value, value, value, limit)
    assert measure.passed is passed
    assert measure.usage == pytest.approx(usage)


def test_the_interval_of_a_share():
    low, high = wilson(1.0, 100)
    assert (round(low, 2), round(high, 6)) == (0.94, 1.0)
