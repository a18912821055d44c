"""Stepping a decoder through its cache, whatever runs it.

Two kinds of exported models generate text (the names are the export's contract):
  encoder + decoder   the encoder's cross.N.* and mask go into every step of the decoder
  one decoder         attention_mask covers past and new positions, position_ids count real ones
Both take past_key_values.N.* and give present.N.*, which become the next step's past. A cache of
fixed size also takes write_indices [B], where each row's new entries go, and a mask of that size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.kv_cache import PAST, Arrays, KvCache, open_cache

CROSS = "cross."
WRITE_INDICES = "write_indices"


@dataclass
class DecoderState:
    """How far a batch of texts is decoded; every step moves it on.

    Attributes:
        cache: Keys and values of the positions so far.
        length: Their number, padding included.
        mask: [B, P], 1 where a position is real, or [B, C] for a cache of C positions; None for a
            model with an encoder.
        real: [B, 1], the real positions of each row.
    """

    cache: KvCache
    length: int = 0
    mask: np.ndarray | None = None
    real: np.ndarray | None = None

    def reorder(self, rows: np.ndarray) -> None:
        """Take the rows in another order, for beam search."""
        self.cache.reorder(rows)
        if self.mask is not None and self.real is not None:
            self.mask, self.real = self.mask[rows], self.real[rows]


class Decoder:
    """Steps a model through text, one runner per part.

    Args:
        parts: {"encoder": ..., "decoder": ...} or {"model": ...}.
        inputs: What the decoding part takes, as the export's record says.
        pad_id: Id that fills up rows.

    Raises:
        UsageError: the model has no cache to step through.
    """

    def __init__(
        self, parts: Mapping[str, Runner], inputs: Sequence[TensorSpec], pad_id: int = 0
    ) -> None:
        self.encoder = parts.get("encoder")
        self.decoder = parts["decoder"] if "decoder" in parts else parts["model"]
        self.pad_id = pad_id
        self.capacity = cache_capacity(inputs)
        self._pasts = [entry for entry in inputs if entry.name.startswith(PAST)]
        if not self._pasts:
            raise UsageError(
                "The model takes no past_key_values, so it cannot be stepped.",
                fix="Export it with --kv-cache concat.",
            )

    def begin(self, ids: np.ndarray, mask: np.ndarray) -> DecoderState:
        """Return the state before the first decoder position.

        Args:
            ids: Source [B, S] for an encoder; only its batch size is used without one.
            mask: [B, S], 1 where real.
        """
        if self.encoder is None:
            return self.open(ids.shape[0])
        made = self.encoder.run({"input_ids": ids, "attention_mask": mask})
        return self.open(ids.shape[0], {**crossed(made), "attention_mask": mask})

    def open(self, rows: int, fixed: Mapping[str, np.ndarray] | None = None) -> DecoderState:
        """Return the state before the first position of `rows` texts.

        Args:
            rows: B.
            fixed: What an encoder gave, cross.N.* and the source's mask; None without one.
        """
        start = {entry.name: empty_past(entry, rows) for entry in self._pasts}
        cache = open_cache(self.decoder, start, fixed or {}, bool(self.capacity))
        if fixed is not None:
            return DecoderState(cache)
        mask = np.zeros((rows, self.capacity), np.int64)
        return DecoderState(cache, mask=mask, real=np.zeros((rows, 1), np.int64))

    @property
    def positional(self) -> bool:
        """Whether every cache holds an entry per position, so that its beginning is a past too."""
        lengths = [entry.shape[2] for entry in self._pasts if len(entry.shape) == 4]
        each = (n == self.capacity if self.capacity else not isinstance(n, int) for n in lengths)
        return len(lengths) == len(self._pasts) and all(each)

    def resume(self, past: Arrays) -> DecoderState:
        """Return the state behind the first positions of one text.

        Args:
            past: Its cache, past_key_values.N.* by name, each [1, H, P, D] without padding.
        """
        length = next(iter(past.values())).shape[2]
        start = past
        if self.capacity:
            start = {entry.name: empty_past(entry, 1) for entry in self._pasts}
            for name, array in past.items():
                start[name][:, :, :length] = array
        cache = open_cache(self.decoder, start, {}, bool(self.capacity))
        mask = np.zeros((1, self.capacity or length), np.int64)
        mask[:, :length] = 1
        return DecoderState(cache, length, mask, np.full((1, 1), length, np.int64))

    def step(
        self, state: DecoderState, ids: np.ndarray, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Return logits [B, T, V] of these positions, and move the state behind them.

        A model exported with `--logits last` gives [B, 1, V], those of the last.

        Args:
            state: From `begin` or `open`.
            ids: [B, T].
            mask: [B, T], 1 where real; all real when absent. Only without an encoder.

        Raises:
            UsageError: the positions do not fit a cache of fixed size.
        """
        feeds = {"input_ids": ids}
        end, mask_after, real_after = state.length + ids.shape[1], state.mask, state.real
        if state.mask is not None and state.real is not None:
            fresh = np.ones_like(ids) if mask is None else mask.astype(np.int64)
            counted = state.real + fresh.cumsum(axis=1)
            mask_after, real_after = self._grown(state.mask, state.length, fresh), counted[:, -1:]
            feeds |= {"attention_mask": mask_after, "position_ids": np.maximum(counted - 1, 0)}
            if self.capacity:
                feeds[WRITE_INDICES] = np.full(len(ids), state.length, np.int64)
        made = state.cache.step(feeds)
        state.length, state.mask, state.real = end, mask_after, real_after
        return made["logits"]

    def _grown(self, mask: np.ndarray, length: int, fresh: np.ndarray) -> np.ndarray:
        if not self.capacity:
            return np.concatenate([mask, fresh], axis=1)
        end = length + fresh.shape[1]
        if end > self.capacity:
            raise UsageError(
                f"{end} positions do not fit the cache of {self.capacity}",
                fix="export with a larger --capacity, or with --kv-cache concat",
            )
        grown = mask.copy()
        grown[:, length:end] = fresh
        return grown


@dataclass(frozen=True)
class Generated:
    """Greedy continuations.

    Attributes:
        tokens: New ids of each row, the end mark left out.
        margins: For each row and step, the best logit minus the second best.
    """

    tokens: list[list[int]]
    margins: list[list[float]]


def greedy(
    decoder: Decoder,
    ids: np.ndarray,
    mask: np.ndarray,
    *,
    start: int | None,
    end: Sequence[int],
    max_new: int,
) -> Generated:
    """Return the most likely token again and again until the end mark.

    Args:
        decoder: Steps the model.
        ids: Source (with an encoder) or prompt, [B, S]; prompts are padded on the left.
        mask: [B, S], 1 where real.
        start: First decoder id with an encoder, None without one.
        end: Ids that end a row.
        max_new: Most new tokens per row.
    """
    rows = ids.shape[0]
    state = decoder.begin(ids, mask)
    fed = ids if start is None else np.full((rows, 1), start, np.int64)
    fed_mask = mask if start is None else None
    tokens: list[list[int]] = [[] for _ in range(rows)]
    margins: list[list[float]] = [[] for _ in range(rows)]
    going = np.ones(rows, bool)
    for _ in range(max_new):
        logits = decoder.step(state, fed, fed_mask)
        last = logits[:, -1].astype(np.float64)
        best = last.argmax(axis=-1)
        top = np.partition(last, -2, axis=-1)
        for row in np.flatnonzero(going):
            margins[row].append(float(top[row, -1] - top[row, -2]))
            going[row] = int(best[row]) not in end
            if going[row]:
                tokens[row].append(int(best[row]))
        if not going.any():
            break
        fed = np.where(going, best, decoder.pad_id)[:, None].astype(np.int64)
        fed_mask = None
    return Generated(tokens, margins)


def empty_past(entry: TensorSpec, rows: int) -> np.ndarray:
    """Return a past without entries: [B, H, 0, D], or zeros [B, H, C, D] where its size is fixed.

    Args:
        entry: The graph's input.
        rows: B.

    Raises:
        UsageError: heads or their size are not fixed: it is no cache that can be stepped.
    """
    match entry.shape:
        case (_, int(heads), length, int(size)):
            shape = (rows, heads, length if isinstance(length, int) else 0, size)
            return np.zeros(shape, np.dtype(_numpy_name(entry.dtype)))
    raise _no_cache(entry)


def cache_capacity(inputs: Sequence[TensorSpec]) -> int:
    """Return the positions of a cache of fixed size, 0 for one that grows.

    Raises:
        UsageError: it takes indices to write at, and no cache of fixed size.
    """
    if not any(entry.name == WRITE_INDICES for entry in inputs):
        return 0
    past = next(entry for entry in inputs if entry.name.startswith(PAST))
    match past.shape:
        case (_, _, int(capacity), _):
            return capacity
    raise _no_cache(past)


def _no_cache(entry: TensorSpec) -> UsageError:
    return UsageError(
        f"{entry.name} has shape {list(entry.shape)}, which is no cache's",
        fix="export the model again; [batch, heads, positions, size] is one, heads and size fixed",
    )


def crossed(made: Mapping[str, np.ndarray]) -> Arrays:
    """Return the keys and values an encoder gives for cross-attention."""
    return {name: value for name, value in made.items() if name.startswith(CROSS)}


def _numpy_name(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return {"float": "float32", "double": "float64"}.get(name, name)
