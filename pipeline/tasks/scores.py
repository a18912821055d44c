"""What changes the scores of the next token: transformers' processors over arrays.

Each takes the ids so far [B, S] and scores [B, V] in float32 and returns the scores to use; none
changes what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Adjust = Callable[[np.ndarray, np.ndarray], np.ndarray]
NEVER = np.float32(-np.inf)


def repetition_penalty(penalty: float, padding: np.ndarray) -> Adjust:
    """Return what makes tokens that occurred less likely.

    Args:
        penalty: Divides scores above zero, multiplies the others.
        padding: [B], how many positions at the start of each row are padding and do not count.
    """

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        rows, places = np.nonzero(np.arange(ids.shape[1]) >= padding[:, None])
        occurred = np.zeros(scores.shape, bool)
        occurred[rows, ids[rows, places]] = True
        lower = np.where(scores < 0, scores * penalty, scores / penalty)
        return np.where(occurred, lower, scores)

    return adjust


def forced(length: int, tokens: int | Sequence[int]) -> Adjust:
    """Return what leaves nothing but one of these tokens once `length` ids are there."""
    left = [tokens] if isinstance(tokens, int) else list(tokens)

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if ids.shape[1] != length:
            return scores
        only = np.full_like(scores, NEVER)
        only[:, left] = 0
        return only

    return adjust


def no_repeat(size: int) -> Adjust:
    """Return what rules out a token that would repeat a sequence of `size` tokens."""

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if ids.shape[1] + 1 < size or not size:
            return scores
        made = scores.copy()
        for row, said in zip(made, ids, strict=True):
            if len(said) >= size:
                windows = np.lib.stride_tricks.sliding_window_view(said, size)
                again = (windows[:, :-1] == said[len(said) - size + 1 :]).all(axis=1)
                row[windows[again, -1]] = NEVER
        return made

    return adjust


def at_least(length: int, ends: Sequence[int]) -> Adjust:
    """Return what rules out the end marks until `length` ids are there."""
    return _without(ends, lambda width: width < length)


def suppressed(tokens: Sequence[int], at: int | None = None) -> Adjust:
    """Return what rules out tokens, always or once `at` ids are there."""
    return _without(tokens, lambda width: at is None or width == at)


def _without(tokens: Sequence[int], when: Callable[[int], bool]) -> Adjust:
    out = [*tokens]

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if not when(ids.shape[1]):
            return scores
        made = scores.copy()
        made[:, out] = NEVER
        return made

    return adjust


def temperature(value: float) -> Adjust:
    """Return what makes the likeliest tokens stand out more (below 1) or less (above 1)."""
    return lambda ids, scores: scores / np.float32(value)


def top_k(count: int) -> Adjust:
    """Return what leaves the `count` likeliest tokens, and those as likely as the last of them."""

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        size = scores.shape[-1]
        if count >= size:
            return scores
        least = np.partition(scores, size - count, axis=-1)[:, size - count, None]
        return np.where(scores < least, NEVER, scores)

    return adjust


def top_p(mass: float) -> Adjust:
    """Return what leaves the fewest likeliest tokens whose probabilities reach `mass`.

    Of tokens that are equally likely, where only some are needed, those of higher ids stay;
    transformers leaves it to torch's sorting, which differs from processor to processor.
    """

    def adjust(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        order = np.argsort(scores, axis=-1, kind="stable")
        rising = np.take_along_axis(scores, order, axis=-1)
        sums = probabilities(rising).cumsum(-1, np.float64)  # as torch sums up, then rounds
        dropped = sums.astype(np.float32) <= np.float32(1 - mass)
        dropped[:, -1] = False
        made = np.empty_like(scores)
        np.put_along_axis(made, order, np.where(dropped, NEVER, rising), axis=-1)
        return made

    return adjust


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in the scores' own type."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    made: np.ndarray = raised / raised.sum(axis=-1, keepdims=True)
    return made
