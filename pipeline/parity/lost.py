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
        case: Says which rows each mask hides.
        inputs: A mask's first axis is the batch.
        outputs: Those with the same first axis have its rows.

    Returns:
        The outputs, and how many elements of each were exempted.
    """
    rows: dict[object, set[int]] = {}
    for entry in inputs:
        if entry.shape and entry.name in case.hidden:
            rows.setdefault(entry.shape[0], set()).update(case.hidden[entry.name])
    result, counts = dict(truth), {}
    for entry in outputs:
        hidden = sorted(rows.get(entry.shape[0], ())) if entry.shape else []
        array = truth[entry.name]
        if not hidden or not array.ndim or array.shape[0] <= hidden[-1]:
            continue
        values = array.astype(np.float64)
        values[hidden] = np.nan
        result[entry.name] = values
        counts[entry.name] = values[hidden].size
    return result, counts
