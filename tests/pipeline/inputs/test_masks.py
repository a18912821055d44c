"""Patterns of visible keys."""

import numpy as np
import pytest

from pipeline.inputs.masks import STYLES, positions, visible


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("length", [0, 1, 2, 9])
def test_every_row_keeps_something_but_a_masked_one(style, batch, length):
    keep = visible(batch, length, style, np.random.default_rng(0))
    assert keep.shape == (batch, length)
    if length:
        hidden = [not row.any() for row in keep]
        assert hidden == [style == "masked-rows" and row == batch - 1 for row in range(batch)]


def test_shapes_of_the_styles():
    rng = np.random.default_rng(0)
    padded = visible(4, 9, "padded", rng)
    assert (np.diff(padded.astype(int), axis=1) <= 0).all()
    left = visible(4, 9, "left-padded", rng)
    assert (np.diff(left.astype(int), axis=1) >= 0).all()
    holes = visible(4, 9, "holes", rng)
    assert (np.diff(holes.astype(int), axis=1) > 0).any()
    assert holes[:, 0].all()


def test_positions_count_what_is_visible_before():
    keep = np.array([[0, 1, 1, 0, 1]], bool)
    assert positions(keep, 3).tolist() == [[1, 1, 2]]
