"""Which checks without a reference apply to a part, and the inputs they run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.parity.metamorphic import (
    Check,
    Run,
    axes_of,
    chunked_prefill,
    head,
    identical_rows,
    padded_rows,
    permuted_rows,
)
from pipeline.parity.results import Case
from pipeline.parity.shapes import is_batch

MASK, PAST = "attention_mask", "past_key_values."


@dataclass(frozen=True)
class Applicable:
    """A part's inputs and outputs as the export facts hold them, and cases to draw from."""

    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    cases: Sequence[Case]

    def axes(self, size: str) -> dict[str, int]:
        """Return which axis of each input and output is the named size."""
        return {**axes_of(self.outputs, size), **axes_of(self.inputs, size)}

    @property
    def batch(self) -> str | None:
        """The size that counts rows, None when rows are fixed."""
        names = [d for e in self.inputs for d in e["shape"] if isinstance(d, str) and is_batch(d)]
        return names[0] if names else None

    @property
    def mask_length(self) -> str | None:
        """The size the mask covers, None where no mask covers the inputs' own positions."""
        shapes = {str(entry["name"]): list(entry["shape"]) for entry in self.inputs}
        mask, ids = shapes.get(MASK), shapes.get("input_ids")
        if mask is None or mask != ids or any(name.startswith(PAST) for name in shapes):
            return None
        return mask[1] if isinstance(mask[1], str) else None

    @property
    def rows(self) -> Case | None:
        """A case with two rows or more whose values are ordinary."""
        batch = self.batch
        fit = [c for c in self.cases if batch and c.sizes.get(batch, 0) >= 2]
        ordinary = [case for case in fit if case.style in ("plain", "padded")]
        return max(ordinary, key=lambda case: case.style == "plain", default=None)


def run_checks(run: Run, about: Applicable) -> list[Check]:
    """Return every check that applies to the part."""
    case = about.rows
    if case is None or about.batch is None:
        return []
    batch = about.axes(about.batch)
    checks = identical_rows(run, case.feeds, batch) + permuted_rows(run, case.feeds, batch)
    if about.mask_length is not None:
        checks += _padded(run, about, about.mask_length, case, batch)
    return checks + _chunked(run, about, case)


def _padded(
    run: Run, about: Applicable, length: str, case: Case, batch: Mapping[str, int]
) -> list[Check]:
    rows, longest = case.feeds[MASK].shape
    if longest < 3:
        return []
    lengths = [longest, *(1 + (longest * row) // (rows + 1) for row in range(1, rows))]
    mask = np.arange(longest)[None, :] < np.array(lengths)[:, None]
    feeds = {**case.feeds, MASK: mask.astype(case.feeds[MASK].dtype)}
    return padded_rows(run, feeds, batch, about.axes(length), lengths)


def _chunked(run: Run, about: Applicable, case: Case) -> list[Check]:
    caches = [e for e in about.inputs if str(e["name"]).startswith(PAST)]
    ids = next((e for e in about.inputs if e["name"] == "input_ids"), None)
    if not caches or ids is None or not isinstance(caches[0]["shape"][2], str):
        return []
    past, new = caches[0]["shape"][2], ids["shape"][1]
    if not isinstance(new, str) or case.sizes.get(new, 0) < 2:
        return []
    empty = {n: head(case.feeds[n], axis, 0) for n, axis in axes_of(caches, past).items()}
    sums = {size for e in about.inputs for size in e["shape"] if _is_sum(size, past, new)}
    both = {name: axis for size in sums for name, axis in axes_of(about.inputs, size).items()}
    feeds = {**case.feeds, **empty}
    for name, axis in both.items():
        feeds[name] = head(feeds[name], axis, case.sizes[new])
    logits = {n: axis for n, axis in about.axes(new).items() if not n.startswith("present.")}
    return chunked_prefill(run, feeds, logits, axes_of(caches, past), both)


def _is_sum(size: object, past: str, new: str) -> bool:
    return isinstance(size, str) and {t.strip() for t in size.split("+")} == {past, new}
