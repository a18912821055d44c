"""Hears every new token: when the first came, and what is new in the text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

Sink = Callable[[str], None]


class TokenClock:
    """Takes note of tokens as they come.

    Args:
        decode: Returns the text of ids; None where nobody reads along.
        sink: Given what is new in the text of the first row, whole characters only.
    """

    def __init__(
        self, decode: Callable[[Sequence[int]], str] | None = None, sink: Sink | None = None
    ) -> None:
        self.first = 0.0
        self._decode, self._sink = decode, sink
        self._start, self._said = -1, ""

    def hear(self, ids: np.ndarray) -> None:
        """Take note of the ids [B, S] so far, of which the last column is new."""
        if not self.first:
            self.first = time.perf_counter()
            self._start = ids.shape[1] - 1
        if self._decode is not None and self._sink is not None:
            text = self._decode(ids[0, self._start :].tolist())
            if not text.endswith("\N{REPLACEMENT CHARACTER}") and text.startswith(self._said):
                self._sink(text[len(self._said) :])
                self._said = text
