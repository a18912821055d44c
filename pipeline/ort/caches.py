"""KV caches of ONNX Runtime: its own values go from one step into the next.

A step reads every weight of the model once, which leaves nothing of Python in the processor's
caches, so what Python does between two steps costs ten times what it costs in a loop of its own.
The steps here touch each layer's cache once or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from pipeline.ort.binding import Binding
from pipeline.ort.errors import RunFailedError
from pipeline.ort.session import Session, given
from pipeline.ort.values import lend_array, to_array, to_value

Arrays = dict[str, np.ndarray]


class GrowingCache:
    """A cache that each step gives anew, longer by the positions it was run over.

    Args:
        session: Runs the decoder.
        start: The past of the first step, by input.
        fixed: Inputs that stay the same in every step.
        presents: By input of the past, the output that becomes it in the next step.
    """

    def __init__(
        self, session: Session, start: Arrays, fixed: Arrays, presents: Mapping[str, str]
    ) -> None:
        self._session, self._device = session, session.options.device
        self._names = tuple(start)
        self._new = _new(session, start, fixed)
        self._fixed = {n: to_value(session.fit(n, a), self._device) for n, a in fixed.items()}
        self._fed = [*start, *fixed, *self._new]
        made = [presents[name] for name in start]
        others = _others(session, presents)
        self._others = tuple(enumerate(others, len(made)))
        self._fetched = [*made, *others]
        self._devices = [_place(self._device)] * len(made) + [_place("cpu")] * len(others)
        self._options = ort.RunOptions()
        self._past: Any = None
        self._here: Arrays = {}  # the arrays whose memory a cache lies in that no step made
        self._set(start)

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; return what the session gives beside the cache.

        Raises:
            UsageError: An input is missing.
            RunFailedError: The runtime fails on these inputs.
        """
        session = self._session
        fed = given(self._new, feeds, session.where)
        new = [to_value(session.fit(n, a)) for n, a in zip(self._new, fed, strict=True)]
        values, made = native.OrtValueVector(), native.OrtValueVector()
        values.reserve(len(self._fed))
        for place in range(len(self._names)):
            values.push_back(self._past[place])
        for value in (*self._fixed.values(), *new):
            values.push_back(value._get_c_value())
        try:
            session.raw.run_with_ortvaluevector(
                self._options, self._fed, values, self._fetched, made, self._devices
            )
        except Exception as err:
            raise RunFailedError(err, session.where) from err
        self._past, self._here = made, {}
        return {name: lend_array(ort.OrtValue(made[place])) for place, name in self._others}

    def arrays(self) -> Arrays:
        """Return the cache, by input."""
        if self._here:
            return dict(self._here)
        values = (ort.OrtValue(self._past[place]) for place in range(len(self._names)))
        return {name: to_array(value) for name, value in zip(self._names, values, strict=True)}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._set({name: value[rows] for name, value in self.arrays().items()})

    def _set(self, arrays: Arrays) -> None:
        self._here = {name: self._session.fit(name, array) for name, array in arrays.items()}
        self._past = native.OrtValueVector()
        for array in self._here.values():
            self._past.push_back(to_value(array, self._device)._get_c_value())


class FixedCache:
    """A cache of fixed size, which each step writes into: bound once, never touched again.

    Args:
        session: Runs the decoder.
        start: The past of the first step, by input; on the CPU this very memory is written into.
        fixed: Inputs that stay the same in every step.
        presents: By input of the past, the output that is written into it.
    """

    def __init__(
        self, session: Session, start: Arrays, fixed: Arrays, presents: Mapping[str, str]
    ) -> None:
        self._session, self._names = session, tuple(start)
        self._new = _new(session, start, fixed)
        self._others = _others(session, presents)
        in_place = {presents[name]: name for name in start}
        self._binding = Binding(session.raw, session.options.device, in_place)
        self._bind({**start, **fixed})

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; return what the session gives beside the cache.

        Raises:
            UsageError: An input is missing.
            RunFailedError: The runtime fails on these inputs.
        """
        session = self._session
        fed = given(self._new, feeds, session.where)
        for name, array in zip(self._new, fed, strict=True):
            self._binding.give(name, session.fit(name, array))
        self._binding.make(self._others, "cpu")  # in every run: the last step's are the caller's
        try:
            self._binding.run()
        except Exception as err:
            raise RunFailedError(err, session.where) from err
        return self._binding.lent(self._others)

    def arrays(self) -> Arrays:
        """Return the cache, by input."""
        return {name: self._binding.given(name) for name in self._names}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._bind({name: value[rows] for name, value in self.arrays().items()})

    def _bind(self, arrays: Arrays) -> None:
        for name, array in arrays.items():
            self._binding.bind(name, self._session.fit(name, array))


def _new(session: Session, start: Arrays, fixed: Arrays) -> tuple[str, ...]:
    """Return the inputs that every step is given."""
    return tuple(name for name in session.input_names if name not in start and name not in fixed)


def _others(session: Session, presents: Mapping[str, str]) -> tuple[str, ...]:
    """Return the outputs that are no cache."""
    return tuple(name for name in session.output_names if name not in presents.values())


def _place(device: str) -> Any:
    return ort.OrtDevice.make(device, 0)._get_c_device()
