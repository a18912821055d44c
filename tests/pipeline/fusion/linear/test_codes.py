"""Codes: nearest, within their bits, and the best of the scales tried."""

import numpy as np
import pytest

from pipeline.fusion.linear.codes import block_for, relative_error, round_weights

WEIGHTS = np.random.default_rng(5).standard_normal((24, 256)).astype(np.float32)


@pytest.mark.parametrize(
    ("inner", "wanted", "block"),
    [(576, 128, 64), (1536, 128, 128), (768, 64, 64), (48, 128, 16), (40, 64, None)],
)
def test_blocks_shrink_to_what_divides_k(inner, wanted, block):
    assert block_for(inner, wanted) == block


def test_eight_bits_are_off_by_half_a_step_at_most():
    made = round_weights(WEIGHTS, 8, 128, signed_scales=False)
    off = np.abs(WEIGHTS - made.widened())
    assert (off <= made.scales.repeat(128, axis=1) * 0.5001).all()
    assert made.codes.min() >= -127
    assert made.scales.shape == (24, 2)


@pytest.mark.parametrize("signed", [False, True])
def test_four_bits_stay_within_four_bits(signed):
    made = round_weights(WEIGHTS, 4, 64, signed_scales=signed)
    assert made.codes.min() >= -8
    assert made.codes.max() <= 7
    assert (made.scales < 0).any() == signed


def test_the_searched_scale_beats_the_largest_weight_over_seven():
    made = round_weights(WEIGHTS, 4, 64, signed_scales=False)
    grouped = WEIGHTS.astype(np.float64).reshape(-1, 64)
    scales = np.abs(grouped).max(axis=1, keepdims=True) / 7
    plain = np.rint(grouped / scales) * scales
    ours = np.square(WEIGHTS - made.widened()).reshape(-1, 64).sum(axis=1)
    assert (ours <= np.square(grouped - plain).sum(axis=1) * (1 + 1e-5)).all()
    assert ours.sum() < 0.93 * np.square(grouped - plain).sum()


def test_a_negative_scale_lets_minus_eight_hold_a_positive_peak():
    weights = np.zeros((1, 16), dtype=np.float32)
    weights[0, 3] = 8.0
    weights[0, 4:7] = [1.0, -2.0, 3.0]
    signed = round_weights(weights, 4, 16, signed_scales=True)
    assert np.array_equal(signed.widened(), weights)
    assert relative_error(weights, round_weights(weights, 4, 16, signed_scales=False)) > 0


def test_zeros_stay_zeros():
    made = round_weights(np.zeros((2, 32), dtype=np.float32), 4, 32, signed_scales=True)
    assert not made.widened().any()
    assert np.isfinite(made.scales).all()
    assert relative_error(np.zeros((2, 32), dtype=np.float32), made) == 0
