"""Rows whose every key is masked, where the low type has no number that hides the scores.

With a mask of finfo.min such a row averages the values: the scores vanish beside it. A float16
mask is too small for that once the kernel adds it in float32. So the queries of these rows
become zero, all their scores are equal, and the row averages again.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.operators import MASK_INPUT
from pipeline.precision.masks import Masks
from pipeline.precision.policy import Limits
from pipeline.precision.values import Values

_HIDES_SCORES = 1e9
_OPSET = 18  # ReduceMax takes its axes as an input


def with_low_masks(
    model: ir.Model, masks: Masks, values: Values, limits: Limits, low: set[ir.Node]
) -> list[ir.Node]:
    """Return the attentions, before retyping, that will need `settle`."""
    if limits.mask >= _HIDES_SCORES or not masks.constants or values.opset < _OPSET:
        return []
    found = []
    for node in model.graph:
        mask = mask_of(node)
        if node not in low or mask is None or mask not in masks.values:
            continue
        if _rows_differ(mask, values) and _fits(node, mask, values):
            found.append(node)
    return found


def mask_of(node: ir.Node) -> ir.Value | None:
    """Return the float mask of an attention operator, None where it has none."""
    index = MASK_INPUT.get(node.op_type)
    return node.inputs[index] if index is not None and len(node.inputs) > index else None


def _fits(node: ir.Node, mask: ir.Value, values: Values) -> bool:
    """Return whether the ranks are known; queries of rank 3 hold all heads in one axis."""
    query, shape = values.shape(node.inputs[0]) if node.inputs[0] else None, values.shape(mask)
    if query is None or len(query) == 4:
        return query is not None
    return len(query) == 3 and shape is not None


def _rows_differ(mask: ir.Value, values: Values) -> bool:
    """A mask with one row for all queries hides every key only if the whole input is padding."""
    shape = values.shape(mask)
    return shape is None or len(shape) < 2 or shape[-2] != 1


def settle(model: ir.Model, attentions: list[ir.Node], values: Values, limits: Limits) -> None:
    """Zero the queries of fully masked rows; masks shared by several attentions are read once."""
    empty: dict[tuple[ir.Value, int], ir.Value] = {}
    for node in attentions:
        query, mask = node.inputs[0], mask_of(node)
        assert query is not None
        assert mask is not None
        rank = len(values.shape(query) or (0, 0, 0, 0))
        key = (mask, rank)
        if key not in empty:
            empty[key] = _empty(model, node, mask, rank, values, limits)
        zero = _constant(model, "pipeline.zero_query", np.zeros((), limits.dtype.numpy()))
        picked = ir.node("Where", [empty[key], zero, query], name=f"{node.name}.queries")
        _insert(model, node, picked, limits.dtype, query.shape)
        node.replace_input_with(0, picked.outputs[0])


def _empty(
    model: ir.Model, node: ir.Node, mask: ir.Value, rank: int, values: Values, limits: Limits
) -> ir.Value:
    """Return whether each row is fully masked, in a shape that spreads over the queries."""
    flat_heads = rank == 3 and len(values.shape(mask) or ()) == 4
    # With all heads in one axis a row counts as empty when it is empty for every head.
    axes = (1, 3) if flat_heads else (-1,)
    name = "pipeline.key_axes" if flat_heads else "pipeline.key_axis"
    last = _constant(model, name, np.array(axes, np.int64))
    half = _constant(model, "pipeline.empty_row", np.array(-limits.mask / 2, limits.dtype.numpy()))
    top = ir.node("ReduceMax", [mask, last], {"keepdims": 1}, name=f"{mask.name}.highest")
    _insert(model, node, top, limits.dtype, None)
    less = ir.node("Less", [top.outputs[0], half], name=f"{mask.name}.empty")
    _insert(model, node, less, ir.DataType.BOOL, None)
    if not flat_heads:
        return less.outputs[0]
    heads = _constant(model, "pipeline.head_axis", np.array([1], np.int64))
    flat = ir.node("Squeeze", [less.outputs[0], heads], name=f"{mask.name}.rows")
    _insert(model, node, flat, ir.DataType.BOOL, None)
    return flat.outputs[0]


def _insert(
    model: ir.Model, before: ir.Node, node: ir.Node, dtype: ir.DataType, shape: ir.Shape | None
) -> None:
    out = node.outputs[0]
    out.name, out.dtype, out.shape = f"{node.name}.out", dtype, shape
    node.metadata_props.update(before.metadata_props)
    model.graph.insert_before(before, node)


def _constant(model: ir.Model, name: str, array: np.ndarray) -> ir.Value:
    if name not in model.graph.initializers:
        tensor = ir.tensor(array, name=name)
        value = ir.Value(
            name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )  # fmt: skip
        model.graph.register_initializer(value)
    return model.graph.initializers[name]
