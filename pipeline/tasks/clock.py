"""Hears every new token: when the first came, and the text so far for a reader who waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

Sink = Callable[[str], None]


class TokenClock:
    """A stopping criterion that never stops.

    Args:
        tokenizer: Turns ids into text; None where nobody reads along.
        sink: Given what is new in the text.
    """

    def __init__(self, tokenizer: Any = None, sink: Sink | None = None) -> None:
        self.first = 0.0
        self._tokenizer, self._sink = tokenizer, sink
        self._start, self._said = -1, ""

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Return that no row is done."""
        self.hear(ids)
        return torch.zeros(ids.shape[0], dtype=torch.bool)

    def hear(self, ids: Any) -> None:
        """Take note of the ids [B, S] so far, of which the last column is new."""
        if not self.first:
            self.first = time.perf_counter()
            self._start = ids.shape[1] - 1
        if self._tokenizer is not None and self._sink is not None:
            text = self._tokenizer.decode(ids[0, self._start :], skip_special_tokens=True)
            if not text.endswith("\N{REPLACEMENT CHARACTER}") and text.startswith(self._said):
                self._sink(text[len(self._said) :])
                self._said = text
