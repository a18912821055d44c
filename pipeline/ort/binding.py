"""Inputs and outputs of an ONNX Runtime session, bound to memory once and run as often as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.ort.values import to_array, to_value


class Bound:
    """A session with its inputs given and a place for every output.

    Args:
        session: Of ONNX Runtime.
        given: An array for every input, in the input's type.
        outputs: Names of all outputs.
        device: "cpu" or "cuda": where inputs lie and outputs are made.
        in_place: Inputs, by output, whose memory the output is written into; the arrays given
            stay as they are, for what is written into is a copy.
    """

    def __init__(
        self, session: Any, given: Mapping[str, np.ndarray], outputs: Sequence[str], device: str,
        in_place: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._session, self._outputs, self._in_place = session, tuple(outputs), dict(in_place)
        shared = set(in_place.values())
        # the runtime reads the arrays' own memory: a value of it has to outlive the binding
        self._values = {
            name: to_value(array.copy() if name in shared else array, device)
            for name, array in given.items()
        }
        self._binding = session.io_binding()
        for name, value in self._values.items():
            self._binding.bind_ortvalue_input(name, value)
        for name in outputs:
            if name in in_place:
                self._binding.bind_ortvalue_output(name, self._values[in_place[name]])
            else:
                self._binding.bind_output(name, device)

    def run(self) -> None:
        """Run and wait; what is written in place is written over what the last run left."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what the last run gave; outputs have to lie on the CPU."""
        found: dict[str, np.ndarray] = {}
        for name, value in zip(self._outputs, self._binding.get_outputs(), strict=True):
            array = to_array(value)
            # a view of an input's memory would not outlive the binding
            found[name] = array.copy() if name in self._in_place else array
        return found
