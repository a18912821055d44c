"""Weights that are no numbers, and rows that bind nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.parity.results import Case
from pipeline.records.tensors import TensorSpec

if TYPE_CHECKING:
    import onnx_ir as ir

SHOWN = 3


def nan_weights(model: ir.Model) -> str:
    """Return which weights of a graph hold NaN, in words; empty where none does.

    Infinity is left alone: masks are filled with it.
    """
    found = []
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or not tensor.dtype.is_floating_point():
            continue
        array = tensor.numpy().astype(np.float32, copy=False)
        lost = int(np.count_nonzero(np.isnan(array)))
        if lost:
            found.append(f"{name} ({lost} of {array.size} values)")
    if not found:
        return ""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"the reference's weights hold NaN: {', '.join(found[:SHOWN])}{more}"


def exempt_hidden(
    truth: Mapping[str, np.ndarray],
    case: Case,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the reference's outputs with NaN, which binds nothing, in rows that are hidden whole.

    What such a row gives depends on how each precision rounds the sum of a score and a mask's
    lowest number, not on the model. The other rows bind as ever.

    Args:
        truth: The reference's outputs.
        case: Says which rows of the batch are hidden.
        inputs: A mask's first axis is the batch.
        outputs: Those whose first axis is the batch have its rows.

    Returns:
        The outputs, and how many elements of each were exempted.
    """
    batch = {e.shape[0] for e in inputs if e.shape and "mask" in e.name.lower()}
    result, counts = dict(truth), {}
    for entry in outputs:
        if not case.hidden or not entry.shape or entry.shape[0] not in batch:
            continue
        array = truth[entry.name]
        if not array.ndim or array.shape[0] <= max(case.hidden):
            continue
        values = array.astype(np.float64)
        values[list(case.hidden)] = np.nan
        result[entry.name] = values
        counts[entry.name] = values[list(case.hidden)].size
    return result, counts
