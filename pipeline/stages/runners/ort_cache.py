"""KV caches of ONNX Runtime: its own values go from one step into the next.

A step reads every weight of the model once, which leaves nothing of Python in the processor's
caches, so what Python does between two steps costs ten times what it costs in a loop of its own.
The steps here touch each layer's cache once or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.ort.values import lend_array, to_array, to_value
from pipeline.stages.runners.kv_cache import Arrays, present_of

Typed = Callable[[str, np.ndarray], np.ndarray]


class OrtCache:
    """What both kinds of caches know: the session, what a step takes and what it gives.

    Args:
        session: Of ONNX Runtime.
        typed: Returns an array in the floating type of the input it is for.
        device: "cpu" or "cuda".
        path: Named in errors.
        start: past_key_values.N.* of the first step.
        fixed: Inputs that stay the same.
    """

    def __init__(
        self, session: Any, typed: Typed, device: str, path: Path, start: Arrays, fixed: Arrays
    ) -> None:
        self._session, self._typed, self._device, self._path = session, typed, device, path
        presents = [present_of(name) for name in start]
        others = [v.name for v in session.get_outputs() if v.name not in presents]
        self._others = tuple(enumerate(others, len(presents)))  # both kinds ask for presents first
        taken = [value.name for value in session.get_inputs()]
        self._new = tuple(name for name in taken if name not in start and name not in fixed)
        self._fixed = {name: to_value(typed(name, array), device) for name, array in fixed.items()}


class GrowingCache(OrtCache):
    """A cache that each step gives anew, longer by the positions it was run over."""

    def __init__(
        self, session: Any, typed: Typed, device: str, path: Path, start: Arrays, fixed: Arrays
    ) -> None:
        super().__init__(session, typed, device, path, start, fixed)
        self._names = tuple(start)
        self._fed = [*start, *fixed, *self._new]
        self._fetched = [*map(present_of, start), *(name for _, name in self._others)]
        self._devices = [_place(device)] * len(start) + [_place("cpu")] * len(self._others)
        self._options = ort.RunOptions()
        self._past: Any = None
        self._owners: list[Any] = []  # of the memory a cache made here lies in
        self._set(start)

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; see `KvCache`.

        Raises:
            BadModelError: the runtime fails on these inputs.
        """
        new = [to_value(self._typed(n, feeds[n])) for n in named(self._new, feeds, self._path)]
        given, made = native.OrtValueVector(), native.OrtValueVector()
        given.reserve(len(self._fed))
        for place in range(len(self._names)):
            given.push_back(self._past[place])
        for value in (*self._fixed.values(), *new):
            given.push_back(value._get_c_value())
        try:
            self._session.run_with_ortvaluevector(
                self._options, self._fed, given, self._fetched, made, self._devices
            )
        except Exception as err:
            raise run_failed(err, self._path) from err
        self._past, self._owners = made, []
        return {name: lend_array(ort.OrtValue(made[place])) for place, name in self._others}

    def arrays(self) -> Arrays:
        """Return the cache."""
        values = (ort.OrtValue(self._past[place]) for place in range(len(self._names)))
        return {name: to_array(value) for name, value in zip(self._names, values, strict=True)}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._set({name: value[rows] for name, value in self.arrays().items()})

    def _set(self, arrays: Arrays) -> None:
        fitted = [self._typed(name, array) for name, array in arrays.items()]
        self._owners = [to_value(array, self._device) for array in fitted]
        self._past = native.OrtValueVector()
        for value in self._owners:
            self._past.push_back(value._get_c_value())


class FixedCache(OrtCache):
    """A cache of fixed size, which each step writes into: bound once, never touched again."""

    def __init__(
        self, session: Any, typed: Typed, device: str, path: Path, start: Arrays, fixed: Arrays
    ) -> None:
        super().__init__(session, typed, device, path, start, fixed)
        self._binding = session.io_binding()
        self._past: dict[str, Any] = {}
        self._now: dict[str, Any] = {}  # inputs of the step, whose memory the binding reads
        self._bound: dict[str, np.ndarray] = {}  # the arrays of that memory, on the CPU
        self._bind(start)  # first: a binding counts outputs in the order they were bound
        for name, value in self._fixed.items():
            self._binding.bind_ortvalue_input(name, value)

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; see `KvCache`.

        Raises:
            BadModelError: the runtime fails on these inputs.
        """
        binding = self._binding
        for name in named(self._new, feeds, self._path):
            self._give(name, self._typed(name, feeds[name]))
        for _, name in self._others:
            binding.bind_output(name, "cpu")  # made anew by the runtime in every run
        try:
            self._session.run_with_iobinding(binding)
        except Exception as err:
            raise run_failed(err, self._path) from err
        made = binding.get_outputs_as_ortvaluevector()
        return {name: lend_array(ort.OrtValue(made[at])) for at, name in self._others}

    def _give(self, name: str, array: np.ndarray) -> None:
        """Hand in what is new, through the memory bound before where it has the same form."""
        bound = self._bound.get(name)
        if bound is not None and bound.shape == array.shape and bound.dtype == array.dtype:
            bound[...] = array
            return
        if self._device == "cpu":  # where a value is the array's own memory
            array = self._bound[name] = array.copy()
        self._now[name] = to_value(array, self._device)
        self._binding.bind_ortvalue_input(name, self._now[name])

    def arrays(self) -> Arrays:
        """Return the cache."""
        return {name: to_array(value) for name, value in self._past.items()}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._bind({name: value[rows] for name, value in self.arrays().items()})

    def _bind(self, arrays: Arrays) -> None:
        for name, array in arrays.items():
            value = self._past[name] = to_value(self._typed(name, array), self._device)
            self._binding.bind_ortvalue_input(name, value)
            self._binding.bind_ortvalue_output(present_of(name), value)


def named(names: tuple[str, ...], feeds: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return the names if there is a feed for each.

    Raises:
        UsageError: an input is missing.
    """
    missing = [name for name in names if name not in feeds]
    if missing:
        raise UsageError(
            f"Inputs not given: {', '.join(missing)}.",
            where=str(path),
            fix=f"The graph expects {', '.join(names)}.",
        )
    return names


def run_failed(err: Exception, path: Path) -> BadModelError:
    """Return the error of a run that the runtime ended."""
    return BadModelError(f"ONNX Runtime failed while running: {first_line(err)}", where=str(path))


def _place(device: str) -> Any:
    return ort.OrtDevice.make(device, 0)._get_c_device()
