"""Which checks without a reference apply to a part, and the inputs they run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from pipeline.parity.metamorphic import (
    Check,
    Run,
    chunked_prefill,
    head,
    identical_rows,
    padded_rows,
    permuted_rows,
    repeated_runs,
)
from pipeline.parity.results import Case
from pipeline.parity.shapes import is_batch
from pipeline.records.tensors import TensorSpec, axes_of

MASK, PAST = "attention_mask", "past_key_values."


@dataclass(frozen=True)
class Applicable:
    """What a part takes and gives, and cases to draw from."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    cases: Sequence[Case]

    def axes(self, size: str) -> dict[str, int]:
        """Return which axis of each input and output is the named size."""
        return {**axes_of(self.outputs, size), **axes_of(self.inputs, size)}

    @property
    def batch(self) -> str | None:
        """The size that counts rows, None when rows are fixed."""
        names = [d for e in self.inputs for d in e.shape if isinstance(d, str) and is_batch(d)]
        return names[0] if names else None

    @property
    def rows(self) -> Case | None:
        """A case with two rows or more whose values are ordinary."""
        batch = self.batch
        fit = [c for c in self.cases if batch and c.sizes.get(batch, 0) >= 2]
        ordinary = [case for case in fit if case.style in ("plain", "padded")]
        return max(ordinary, key=lambda case: case.style == "plain", default=None)


@dataclass(frozen=True)
class Prompt:
    """Inputs of a whole prompt: an empty past where there is one.

    Attributes:
        new: The axis of new positions, of inputs and outputs.
        past: The axis of cached positions, of the caches; empty without a cache.
        both: The axis of cached and new positions together, of inputs and outputs.
    """

    feeds: Mapping[str, np.ndarray]
    length: int
    new: Mapping[str, int]
    past: Mapping[str, int]
    both: Mapping[str, int]


def run_checks(run: Run, about: Applicable) -> list[Check]:
    """Return every check that applies to the part."""
    if not about.cases:
        return []
    checks = repeated_runs(run, about.cases[0].feeds)
    case = about.rows
    if case is None or about.batch is None:
        return checks
    batch = about.axes(about.batch)
    checks += identical_rows(run, case.feeds, batch) + permuted_rows(run, case.feeds, batch)
    prompt = prompt_of(about, case)
    if prompt is None:
        return checks
    checks += _padded(run, prompt, batch)
    if prompt.past and prompt.length > 1:
        new = {n: axis for n, axis in prompt.new.items() if not n.startswith("present.")}
        both = {n: axis for n, axis in prompt.both.items() if n in prompt.feeds}
        checks += chunked_prefill(run, prompt.feeds, new, prompt.past, both)
    return checks


def prompt_of(about: Applicable, case: Case) -> Prompt | None:
    """Return the case as a whole prompt, None for a part that reads no ids of a dynamic length."""
    caches = [e for e in about.inputs if e.name.startswith(PAST)]
    ids = next((e for e in about.inputs if e.name == "input_ids"), None)
    new = ids.shape[1] if ids is not None and len(ids.shape) == 2 else None
    if not isinstance(new, str):
        return None
    length = int(case.feeds["input_ids"].shape[1])
    if not caches:
        return Prompt(case.feeds, length, about.axes(new), {}, {})
    past = caches[0].shape[2]
    if not isinstance(past, str):
        return None
    cached = axes_of(caches, past)
    entries = [*about.inputs, *about.outputs]
    sums = {size for e in entries for size in e.shape if _is_sum(size, past, new)}
    both = {name: axis for size in sums for name, axis in about.axes(size).items()}
    feeds = dict(case.feeds)
    for name, array in case.feeds.items():
        feeds[name] = head(array, both.get(name), length)
        if name in cached:
            feeds[name] = head(array, cached[name], 0)
    return Prompt(feeds, length, about.axes(new), cached, both)


def _padded(run: Run, prompt: Prompt, batch: Mapping[str, int]) -> list[Check]:
    """Return the check on rows padded behind, where the mask covers the part's own positions."""
    mask = prompt.feeds.get(MASK)
    own = {**prompt.new, **prompt.both}
    if mask is None or MASK not in own or mask.ndim != 2 or prompt.length < 3:
        return []
    rows, longest = mask.shape
    lengths = [longest, *(1 + (longest * row) // (rows + 1) for row in range(1, rows))]
    real = np.arange(longest)[None, :] < np.array(lengths)[:, None]
    feeds = {**prompt.feeds, MASK: real.astype(mask.dtype)}
    if "position_ids" in feeds:
        feeds["position_ids"] = np.broadcast_to(np.arange(longest), mask.shape).copy()
    return padded_rows(run, feeds, batch, own, lengths)


def _is_sum(size: object, past: str, new: str) -> TypeGuard[str]:
    return isinstance(size, str) and {t.strip() for t in size.split("+")} == {past, new}
