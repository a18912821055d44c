"""Errors of rounding that make up for each other on the inputs that were shown."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.fusion.linear import gptq
from pipeline.fusion.linear.codes import round_weights
from pipeline.fusion.linear.gptq import DAMPING, round_compensated

NUMBERS = np.random.default_rng(3)
WEIGHTS = NUMBERS.standard_normal((48, 128)).astype(np.float32)
# Few directions carry most of it, as in activations of a trained model.
MIX = NUMBERS.standard_normal((128, 128)) * np.geomspace(1, 0.02, 128)
ROWS = (NUMBERS.standard_normal((2000, 128)) @ MIX.T).astype(np.float32)
MOMENTS = ROWS.T @ ROWS


def lost(codes, rows=ROWS):
    """Return the error of the product over its size."""
    exact = rows.astype(np.float64) @ WEIGHTS.T
    return np.linalg.norm(rows @ codes.widened().T - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("signed", [False, True])
def test_the_product_is_off_by_much_less(signed):
    nearest = round_weights(WEIGHTS, 4, 64, signed_scales=signed)
    made = round_compensated(WEIGHTS, MOMENTS, 64, signed_scales=signed)
    assert made.codes.min() >= -8
    assert made.codes.max() <= 7
    assert (made.scales < 0).any() == signed
    assert lost(made) < 0.5 * lost(nearest)
    fresh = (NUMBERS.standard_normal((500, 128)) @ MIX.T).astype(np.float32)
    assert lost(made, fresh) < 0.6 * lost(nearest, fresh)


def test_each_step_takes_the_errors_of_the_exact_inverse():
    """Beside the algorithm as the paper states it: H's inverse, updated column by column."""
    made = round_compensated(WEIGHTS, MOMENTS, 128, signed_scales=False)
    inverse = MOMENTS.astype(np.float64)
    inverse[np.diag_indices(128)] += DAMPING * MOMENTS.trace() / 128
    inverse = np.linalg.inv(inverse)
    left, codes = WEIGHTS.astype(np.float64), np.empty((48, 128), np.int8)
    scales = made.scales[:, 0].astype(np.float64)
    for k in range(128):
        codes[:, k] = np.rint(left[:, k] / scales).clip(-8, 7)
        off = (left[:, k] - codes[:, k] * scales) / inverse[k, k]
        left -= np.outer(off, inverse[k])
        inverse -= np.outer(inverse[:, k], inverse[k]) / inverse[k, k]
    assert (made.codes == codes).mean() > 0.99  # the rest lie on the edge of a rounding


def test_the_wrong_half_of_the_factor_would_be_seen(monkeypatch):
    """A known fault of another library: read below the diagonal, where nothing is."""
    right = gptq._factor
    monkeypatch.setattr(gptq, "_factor", lambda moments: right(moments).T)
    nearest = round_weights(WEIGHTS, 4, 64, signed_scales=True)
    made = round_compensated(WEIGHTS, MOMENTS, 64, signed_scales=True)
    assert lost(made) > 0.5 * lost(nearest)


def test_independent_inputs_change_nothing():
    made = round_compensated(WEIGHTS, np.eye(128, dtype=np.float32), 64, signed_scales=True)
    assert np.array_equal(made.codes, round_weights(WEIGHTS, 4, 64, signed_scales=True).codes)


@pytest.mark.parametrize("moments", [np.zeros((128, 128)), np.full((128, 128), np.nan)])
def test_without_inputs_it_is_to_nearest(moments):
    made = round_compensated(WEIGHTS, moments.astype(np.float32), 64, signed_scales=True)
    assert np.array_equal(made.codes, round_weights(WEIGHTS, 4, 64, signed_scales=True).codes)


def test_an_input_that_is_always_zero_costs_nothing():
    rows = ROWS.copy()
    rows[:, 7] = 0
    made = round_compensated(WEIGHTS, rows.T @ rows, 64, signed_scales=True)
    assert np.isfinite(made.scales).all()
    assert lost(made, rows) < 0.5 * lost(round_weights(WEIGHTS, 4, 64, signed_scales=True), rows)
