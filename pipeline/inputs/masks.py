"""Rows of visible and hidden keys, one pattern per style."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Style = Literal[
    "plain", "padded", "left-padded", "holes", "masked-rows", "large", "length-1", "rows"
]
STYLES: tuple[str, ...] = get_args(Style)


def visible(batch: int, length: int, style: str, rng: np.random.Generator) -> np.ndarray:
    """Return which keys each row may see, bool [batch, length].

    The first row keeps all keys where rows are padded; every row keeps at least one, except
    the last row of "masked-rows", which keeps none.
    """
    keep = np.ones((batch, length), bool)
    if style in ("padded", "left-padded") and length > 1:
        # A single row is padded too: there is no other to show it on.
        lengths = rng.integers(1, length, batch)
        if batch > 1:
            lengths[0] = length
        keep = np.arange(length) < lengths[:, None]
        if style == "left-padded":
            keep = keep[:, ::-1]
    elif style == "holes" and length > 2:
        keep = rng.random((batch, length)) < 0.6
        keep[:, 0] = True  # causal rows see at least this one
        keep[:, length // 2] = False
    elif style == "masked-rows" and batch:
        keep[-1] = False
    return np.ascontiguousarray(keep)


def positions(keep: np.ndarray, length: int) -> np.ndarray:
    """Return the positions of the last `length` tokens: how many visible ones come before.

    Args:
        keep: Which keys are visible, bool [batch, total].
        length: How many tokens are new.
    """
    counted: np.ndarray = np.maximum(np.cumsum(keep, 1) - 1, 0)
    return counted[:, counted.shape[1] - length :]
