"""Runs a graph whose caches are written in place; a bundle ships this file beside run.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def run(
    ort: Any, session: Any, feeds: Mapping[str, np.ndarray], pairs: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return the outputs; what is fed stays as it is.

    Args:
        ort: The module onnxruntime.
        session: Of it, on the CPU.
        feeds: An array for every input, in the input's type.
        pairs: Inputs, by output, whose memory the output is written into.
    """
    shared = {name: np.array(feeds[name], order="C") for name in pairs.values()}
    values = {n: ort.OrtValue.ortvalue_from_numpy(a) for n, a in {**feeds, **shared}.items()}
    binding, names = session.io_binding(), [o.name for o in session.get_outputs()]
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for name in names:
        if name in pairs:
            binding.bind_ortvalue_output(name, values[pairs[name]])
        else:
            binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    made = dict(zip(names, binding.get_outputs(), strict=True))
    return {n: shared[pairs[n]] if n in pairs else made[n].numpy() for n in names}
