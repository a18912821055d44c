"""Strings that end an answer, looked for in tokens as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Criterion = Callable[[np.ndarray], np.ndarray]


def stops_at(strings: Sequence[str], bytes_of: Callable[[int], bytes]) -> Criterion:
    """Return a criterion: which rows of ids [B, S] have just completed one of the strings.

    The end of the string has to lie in the last token, which may go on after it, and its start may
    lie in any token before, so also in the prompt.

    Args:
        strings: Not empty ones.
        bytes_of: Returns what a token adds to a text in UTF-8.
    """
    wanted = [string.encode() for string in strings]
    longest = max(len(string) for string in wanted)

    def just_completed(ids: np.ndarray) -> np.ndarray:
        return np.array([_ends(row[-longest:].tolist()) for row in ids], bool)

    def _ends(row: list[int]) -> bool:
        text = b"".join(map(bytes_of, row))
        new = len(bytes_of(row[-1]))
        return any(text.find(s, max(0, len(text) - new - len(s) + 1)) >= 0 for s in wanted)

    return just_completed
