"""Constant tensors: which values are constant, and their values on demand."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.graph.dims import Dim
from pipeline.graph.shapes.call import INTS_LIMIT, Info


def info_of_array(array: np.ndarray, dtype: ir.DataType) -> Info:
    """Return what is known of a constant."""
    shape = tuple(Dim.of(d) for d in array.shape)
    return Info(shape, dtype, ints_of_array(array))


def ints_of_array(array: np.ndarray) -> tuple[Dim, ...] | None:
    """Return the contents of a small constant when all are whole numbers."""
    if array.size > INTS_LIMIT or array.dtype.kind not in "iubf":
        return None
    flat = array.reshape(-1)
    if array.dtype.kind == "f" and not (np.isfinite(flat).all() and (flat == flat.round()).all()):
        return None
    return tuple(Dim.of(int(x)) for x in flat)


def constant_node_value(node: ir.Node) -> np.ndarray | None:
    """Return the value of a Constant node, None for sparse ones and strings."""
    for name, attribute in node.attributes.items():
        value = attribute.value
        if name == "value" and isinstance(value, ir.TensorProtocol):
            return None if value.dtype == ir.DataType.STRING else value.numpy()
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
    return None
