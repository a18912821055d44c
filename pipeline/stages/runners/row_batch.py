"""Texts at different places of one batch: rows join it and leave it between two steps.

A cache that grows holds every row at its right edge, so that all rows write next to each other, and
what lies left of a shorter row is hidden by its mask. A cache of fixed size holds every row at its
left edge, and each writes where its own text ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.errors import UsageError
from pipeline.stages.runners.decoding import WRITE_INDICES, Decoder
from pipeline.stages.runners.kv_cache import Arrays, KvCache, open_cache
from pipeline.stages.runners.prefixes import Prefixes


class RowBatch:
    """The rows that are being decoded together.

    Args:
        decoder: Steps the model; one without an encoder, whose rows all share a past.
        prefixes: Remembers what was read, for prompts that begin alike; None reads each whole.

    Raises:
        UsageError: The model has an encoder: its decoder takes no mask that could hide what lies
            beside a shorter text.
    """

    def __init__(self, decoder: Decoder, prefixes: Prefixes | None = None) -> None:
        if decoder.encoder is not None:
            raise UsageError("rows of a model with an encoder cannot join a running batch")
        self._decoder = decoder
        usable = prefixes is not None and prefixes.wanted and decoder.positional
        self._prefixes = prefixes if usable else None
        self._ids: list[list[int]] = []  # of each row, as far as its cache goes
        self._lengths = np.zeros(0, np.int64)
        self._cache: KvCache | None = None
        self._width = 0  # positions of a cache that grows

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._lengths)

    @property
    def positions(self) -> int:
        """Positions that all rows take together, those that padding takes included."""
        return len(self) * (self._decoder.capacity or self._width)

    def exchange(
        self,
        keep: Sequence[int],
        prompts: Sequence[Sequence[int]],
        hear: Callable[[int, np.ndarray, int], None],
    ) -> None:
        """Let rows go and others join behind them.

        Args:
            keep: The rows that stay, in their new order.
            prompts: Ids of each newcomer, at least one.
            hear: Given the number of a newcomer, its scores [V] and how many of its ids had been
                read before, as soon as its prompt is read.
        """
        kept = self._leave(keep) if len(keep) < len(self) or prompts else []
        read = []
        for number, prompt in enumerate(prompts):
            arrays, scores, known = self._read(prompt)
            read.append(arrays)
            hear(number, scores, known)
        if len(keep) < len(self) or read:
            self._ids = [self._ids[row] for row in keep] + [list(prompt) for prompt in prompts]
            lengths = [*self._lengths[list(keep)].tolist(), *(len(prompt) for prompt in prompts)]
            self._set([*kept, *read], np.array(lengths, np.int64))

    def step(self, ids: Sequence[int]) -> np.ndarray:
        """Return the scores [B, V] behind one more id of each row."""
        assert self._cache is not None, "there are no rows"
        feeds = {
            "input_ids": np.asarray(ids, np.int64)[:, None],
            "attention_mask": self._mask(),
            "position_ids": self._lengths[:, None],
        }
        if self._decoder.capacity:
            feeds[WRITE_INDICES] = self._lengths
        made = self._cache.step(feeds)
        self._lengths, self._width = self._lengths + 1, self._width + 1
        for row, one in zip(self._ids, ids, strict=True):
            row.append(one)
        scores: np.ndarray = made["logits"][:, -1]
        return scores

    def _mask(self) -> np.ndarray:
        """Return what the next step sees: [B, P + 1], or [B, C] for a cache of C positions."""
        seen = self._lengths[:, None] + 1
        if self._decoder.capacity:
            return (np.arange(self._decoder.capacity) < seen).astype(np.int64)
        return (np.arange(self._width + 1) >= self._width + 1 - seen).astype(np.int64)

    def _read(self, prompt: Sequence[int]) -> tuple[Arrays, np.ndarray, int]:
        """Return a prompt's cache [1, H, P, D], the scores [V] behind it, what was known."""
        past = {} if self._prefixes is None else self._prefixes.longest(prompt)
        state = self._decoder.resume(past) if past else self._decoder.open(1)
        known = state.length
        logits = self._decoder.step(state, np.asarray([prompt[known:]], np.int64))
        arrays = state.cache.arrays()
        if self._prefixes is not None:
            self._prefixes.keep(prompt, self._own(arrays, 0, len(prompt)))
        return arrays, np.array(logits[0, -1]), known

    def _leave(self, keep: Sequence[int]) -> list[Arrays]:
        """Return the caches of the rows that stay, as one batch; nothing where none does."""
        if self._cache is None:
            return []
        arrays = self._cache.arrays()
        if self._prefixes is not None:
            for row in set(range(len(self))).difference(keep):
                length = int(self._lengths[row])
                self._prefixes.keep(self._ids[row], self._own(arrays, row, length))
        rows = np.asarray(keep, np.int64)
        return [{name: value[rows] for name, value in arrays.items()}] if keep else []

    def _own(self, arrays: Arrays, row: int, length: int) -> Arrays:
        """Return a copy of what one row holds, [1, H, length, D]."""
        end = length if self._decoder.capacity else next(iter(arrays.values())).shape[2]
        own = slice(row, row + 1), slice(None), slice(end - length, end)
        return {name: np.array(value[own]) for name, value in arrays.items()}

    def _set(self, caches: Sequence[Arrays], lengths: np.ndarray) -> None:
        """Open one cache for all rows, no wider than the longest needs."""
        self._lengths, self._width = lengths, int(lengths.max(initial=0))
        if not caches:
            self._cache = None
            return
        fixed = bool(self._decoder.capacity)
        fit = (lambda array: array) if fixed else self._fit
        start = {
            name: np.concatenate([fit(arrays[name]) for arrays in caches]) for name in caches[0]
        }
        self._cache = open_cache(self._decoder.decoder, start, {}, fixed)

    def _fit(self, array: np.ndarray) -> np.ndarray:
        """Return [B, H, P, D] with its right edge at the batch's width."""
        rows, heads, positions, size = array.shape
        if positions >= self._width:
            return array[:, :, positions - self._width :]
        made = np.zeros((rows, heads, self._width, size), array.dtype)
        made[:, :, self._width - positions :] = array
        return made
