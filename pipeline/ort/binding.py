"""Inputs and outputs of an ONNX Runtime session, bound to memory and run as often as asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from pipeline.ort.values import lend_array, to_array, to_value


class Binding:
    """The memory a session reads its inputs from and writes its outputs to.

    Args:
        session: Of ONNX Runtime.
        device: "cpu" or "cuda": where inputs lie.
        in_place: Inputs, by output, whose memory the output is written into.
    """

    def __init__(self, session: Any, device: str, in_place: Mapping[str, str]) -> None:
        self._session, self._device = session, device
        self._written: dict[str, list[str]] = {}  # outputs, by the input they are written into
        for output, name in in_place.items():
            self._written.setdefault(name, []).append(output)
        self._binding = session.io_binding()
        self._values: dict[str, Any] = {}  # the binding does not keep them alive, nor they the
        self._arrays: dict[str, np.ndarray] = {}  # arrays whose memory they are
        self._own: set[str] = set()  # inputs whose array nobody else has
        self._places: dict[str, int] = {}  # outputs are counted in the order they were first bound

    def bind(self, name: str, array: np.ndarray) -> None:
        """Read an input from an array's own memory (on the CPU; elsewhere from a copy).

        Where an output is written in place, it is written into this array.
        """
        self._own.discard(name)
        array = self._arrays[name] = np.require(array, requirements="C")
        value = self._values[name] = to_value(array, self._device)
        self._binding.bind_ortvalue_input(name, value)
        for output in self._written.get(name, ()):
            self._binding.bind_ortvalue_output(output, value)
            self._places.setdefault(output, len(self._places))

    def give(self, name: str, array: np.ndarray) -> None:
        """Read an input from a copy, in the memory of the last one where that has the same form."""
        last = self._arrays[name] if name in self._own else None
        if last is not None and last.shape == array.shape and last.dtype == array.dtype:
            last[...] = array
        elif self._device == "cpu":
            self.bind(name, array.copy())
            self._own.add(name)
        else:  # where what is bound is a copy
            self.bind(name, array)

    def make(self, outputs: Iterable[str], device: str) -> None:
        """Have outputs made anew by the next run, on a device; those after it write over them."""
        for name in outputs:
            self._binding.bind_output(name, device)
            self._places.setdefault(name, len(self._places))

    def run(self) -> None:
        """Run and wait; what is written in place is written over what the last run left."""
        self._session.run_with_iobinding(self._binding)
        if self._device != "cpu":
            self._binding.synchronize_outputs()

    def given(self, name: str) -> np.ndarray:
        """Return an input, with what was written into it: on the CPU the memory that is bound."""
        return self._arrays[name] if self._device == "cpu" else to_array(self._values[name])

    def lent(self, outputs: Iterable[str]) -> dict[str, np.ndarray]:
        """Return outputs of the last run, on the CPU: arrays of the memory they were made in."""
        made = self._binding.get_outputs_as_ortvaluevector()
        return {name: lend_array(ort.OrtValue(made[self._places[name]])) for name in outputs}
