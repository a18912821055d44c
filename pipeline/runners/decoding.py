"""Stepping a decoder through its cache, whatever runs it.

Two kinds of exported models generate text (the names are the export's contract):
  encoder + decoder   the encoder's cross.N.* and mask go into every step of the decoder
  one decoder         attention_mask covers past and new positions, position_ids count real ones
Both take past_key_values.N.* and give present.N.*, which become the next step's past. A cache of
fixed size also takes write_indices [B], where each row's new entries go, and a mask of that size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.runners.base import Runner

PAST, PRESENT, CROSS = "past_key_values.", "present.", "cross."
WRITE_INDICES = "write_indices"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class DecoderState:
    """What a decoder carries from step to step.

    Attributes:
        cache: past_key_values.N.* [B, H, P, D] of the next step.
        fixed: Inputs that stay the same: cross.N.* and the source's mask.
        mask: [B, P] of the positions decoded so far; only for a model without encoder.
    """

    cache: Arrays
    fixed: Arrays = field(default_factory=dict)
    mask: np.ndarray | None = None


class Decoder:
    """Steps a model through text, one runner per part.

    Args:
        parts: {"encoder": ..., "decoder": ...} or {"model": ...}.
        inputs: Export facts of the decoding part's inputs: entries {"name", "dtype", "shape"}.
        pad_id: Id that fills up rows.

    Raises:
        UsageError: the model has no cache to step through.
    """

    def __init__(
        self, parts: Mapping[str, Runner], inputs: Sequence[Mapping[str, Any]], pad_id: int = 0
    ) -> None:
        self.encoder = parts.get("encoder")
        self.decoder = parts["decoder"] if "decoder" in parts else parts["model"]
        self.pad_id = pad_id
        self._capacity = cache_capacity(inputs)
        self._empty = [entry for entry in inputs if str(entry["name"]).startswith(PAST)]
        if not self._empty:
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
        cache = {str(entry["name"]): empty_past(entry, ids.shape[0]) for entry in self._empty}
        if self.encoder is None:
            return DecoderState(cache, mask=np.zeros((ids.shape[0], 0), np.int64))
        made = self.encoder.run({"input_ids": ids, "attention_mask": mask})
        fixed = {name: value for name, value in made.items() if name.startswith(CROSS)}
        return DecoderState(cache, {**fixed, "attention_mask": mask})

    def step(
        self, state: DecoderState, ids: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, DecoderState]:
        """Return logits [B, T, V] of these positions and the state after them.

        Args:
            state: From `begin` or the step before.
            ids: [B, T].
            mask: [B, T], 1 where real; all real when absent. Only without an encoder.
        """
        feeds = {"input_ids": ids, **state.cache, **state.fixed}
        grown = None
        if state.mask is not None:
            fresh = np.ones_like(ids) if mask is None else mask
            grown = np.concatenate([state.mask, fresh.astype(np.int64)], axis=1)
            positions = np.maximum(grown.cumsum(axis=1) - 1, 0)[:, -ids.shape[1] :]
            feeds |= {"attention_mask": grown, "position_ids": positions}
            if self._capacity:
                feeds |= static_inputs(grown, ids.shape[1], self._capacity)
        wanted = {name: value for name, value in feeds.items() if name in self.decoder.input_names}
        made = self.decoder.run(wanted)
        cache = {
            PAST + name.removeprefix(PRESENT): value
            for name, value in made.items()
            if name.startswith(PRESENT)
        }
        return made["logits"], DecoderState(cache, state.fixed, grown)


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
        logits, state = decoder.step(state, fed, fed_mask)
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


def empty_past(entry: Mapping[str, Any], rows: int) -> np.ndarray:
    """Return a past without entries: [B, H, 0, D], or zeros [B, H, C, D] where its size is fixed.

    Args:
        entry: Export facts of the graph's input: {"name", "dtype", "shape"}.
        rows: B.
    """
    _, heads, length, size = entry["shape"]
    shape = [rows, heads, length if isinstance(length, int) else 0, size]
    return np.zeros(shape, np.dtype(_numpy_name(str(entry["dtype"]))))


def cache_capacity(inputs: Sequence[Mapping[str, Any]]) -> int:
    """Return the positions of a cache of fixed size, 0 for one that grows."""
    if not any(entry["name"] == WRITE_INDICES for entry in inputs):
        return 0
    past = next(entry for entry in inputs if str(entry["name"]).startswith(PAST))
    return int(past["shape"][2])


def static_inputs(mask: np.ndarray, new: int, capacity: int) -> Arrays:
    """Return what a cache of fixed size takes in a step.

    Args:
        mask: [B, P + T], 1 where a position is real, past and new ones.
        new: T.
        capacity: C, the positions of the cache.

    Raises:
        UsageError: the positions do not fit the cache.
    """
    rows, total = mask.shape
    if total > capacity:
        raise UsageError(
            f"{total} positions do not fit the cache of {capacity}",
            fix="export with a larger --capacity, or with --kv-cache concat",
        )
    full = np.zeros((rows, capacity), np.int64)
    full[:, :total] = mask
    return {"attention_mask": full, WRITE_INDICES: np.full(rows, total - new, np.int64)}


def _numpy_name(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return {"float": "float32", "double": "float64"}.get(name, name)
