"""A KV cache kept where its runtime wants it, from one step of a decoder to the next.

A step takes past_key_values.N.* and gives present.N.*, which are the past of the next step. None
of them passes through Python: a runner that can keep values offers `open_cache`, every other one
is stepped with arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np

from pipeline.stages.runners.base import Runner

PAST, PRESENT = "past_key_values.", "present."
Arrays = dict[str, np.ndarray]


class KvCache(Protocol):
    """Keys and values of the positions so far, and the runner that adds to them."""

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run the runner over new positions; return what it gives beside the cache.

        Args:
            feeds: Every input but past_key_values.* and the fixed ones; names the runner lacks are
                ignored.
        """

    def arrays(self) -> Arrays:
        """Return past_key_values.N.* of the next step, each [B, H, P, D]."""

    def reorder(self, rows: np.ndarray) -> None:
        """Take the cache's rows (axis 0) in another order, for beam search."""


def open_cache(
    runner: Runner, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
) -> KvCache:
    """Return the cache of one text, or of one batch of texts.

    Args:
        runner: Runs the decoder.
        start: past_key_values.N.* before the first step.
        fixed: Inputs that stay the same in every step: cross.N.* and the source's mask.
        in_place: Whether the cache has a fixed size, so that a step writes into it.
    """
    inputs = set(runner.input_names)
    used = {name: value for name, value in fixed.items() if name in inputs}
    opened = getattr(runner, "open_cache", None)
    if opened is None:
        return ArrayCache(runner, dict(start), used)
    cache: KvCache = opened(dict(start), used, in_place)
    return cache


def past_of(present: str) -> str:
    """Return the input that takes an output of the step before."""
    return PAST + present.removeprefix(PRESENT)


def present_of(past: str) -> str:
    """Return the output that becomes this input of the next step."""
    return PRESENT + past.removeprefix(PAST)


class ArrayCache:
    """A cache of arrays, for a runner that keeps nothing."""

    def __init__(self, runner: Runner, start: Arrays, fixed: Arrays) -> None:
        self._runner, self._past, self._fixed = runner, start, fixed

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; see `KvCache`."""
        given = select({**feeds, **self._past, **self._fixed}, self._runner.input_names)
        made = self._runner.run(given)
        self._past = {past_of(n): made.pop(n) for n in tuple(made) if n.startswith(PRESENT)}
        return made

    def arrays(self) -> Arrays:
        """Return the cache."""
        return dict(self._past)

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._past = {name: value[rows] for name, value in self._past.items()}


class ResidentCache:
    """A cache of values that a runner keeps on its device (`hold`, `run_held`, `fetch`)."""

    def __init__(self, runner: Any, start: Arrays, fixed: Arrays, in_place: bool) -> None:
        self._runner, self._in_place = runner, in_place
        self._past = {name: runner.hold(value) for name, value in start.items()}
        self._fixed = {name: runner.hold(value) for name, value in fixed.items()}

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; see `KvCache`."""
        given = select({**feeds, **self._past, **self._fixed}, self._runner.input_names)
        into = {present_of(n): v for n, v in self._past.items()} if self._in_place else None
        made = self._runner.run_held(given, PRESENT, into)
        self._past = {past_of(n): made.pop(n) for n in tuple(made) if n.startswith(PRESENT)}
        return dict(made)

    def arrays(self) -> Arrays:
        """Return the cache, read from the device."""
        return {name: self._runner.fetch(value) for name, value in self._past.items()}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._past = {n: self._runner.hold(value[rows]) for n, value in self.arrays().items()}


def select(feeds: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the feeds of these names."""
    return {name: feeds[name] for name in names if name in feeds}
