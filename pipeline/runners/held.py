"""Values that stay where the runtime keeps them from one step to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.runners.base import Runner
from pipeline.runners.decoding import PAST, empty_past


def run_held(
    runner: Runner, feeds: Mapping[str, Any], kept: str, into: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return every output; those whose name starts with `kept` stay with the runner if it can.

    Args:
        runner: Any runner.
        feeds: Arrays, or values from an earlier call; names the runner lacks are ignored.
        kept: Prefix of the outputs that are only fed again.
        into: Values that outputs of the same shape are written into, by output, where the runner
            holds values; one that is fed as well is updated in place.
    """
    wanted = {name: feeds[name] for name in runner.input_names if name in feeds}
    step = getattr(runner, "run_held", None)
    if step is None:
        return dict(runner.run(wanted))
    made: dict[str, Any] = step(wanted, kept, into)
    return made


def hold(runner: Runner, array: np.ndarray) -> Any:
    """Return an array as a value the runner keeps, the array itself where it keeps none."""
    step = getattr(runner, "hold", None)
    return array if step is None else step(array)


def reorder(runner: Runner, values: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Return the values with their rows (axis 0) taken in another order, for beam search."""
    return {name: hold(runner, np.asarray(as_array(value))[rows]) for name, value in values.items()}


def as_array(value: Any) -> np.ndarray:
    """Return a held value as an array."""
    return value if isinstance(value, np.ndarray) else value.numpy()


def empty_cache(runner: Runner, inputs: Sequence[Mapping[str, Any]], rows: int) -> dict[str, Any]:
    """Return pasts without entries for every past_key_values.N.* among the inputs' facts."""
    pasts = [entry for entry in inputs if str(entry["name"]).startswith(PAST)]
    return {str(entry["name"]): hold(runner, empty_past(entry, rows)) for entry in pasts}
