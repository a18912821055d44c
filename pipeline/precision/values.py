"""What typing asks of values: their type, whether they are constants, how far those reach."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.consts import constant_tensor
from pipeline.graph.sizes.dims import Dim
from pipeline.precision.policy import FLEXIBLE

_CHUNK = 1 << 22
Typed = Callable[[ir.Value], "ir.DataType | None"]
Shaped = Callable[[ir.Value], "tuple[Dim, ...] | None"]


class Values:
    """Answers about the values of one model, remembered where they cost a read.

    Args:
        model: The graph.
        dtype: Element type of a value whose own is not written in the file.
        shape: Dims of a value, None when they are not known.
    """

    def __init__(self, model: ir.Model, dtype: Typed, shape: Shaped) -> None:
        self.model = model
        self.opset = model.opset_imports.get("", 0) or 0
        self._inferred, self._shape = dtype, shape
        self._extents: dict[ir.Value, tuple[float, float]] = {}

    def dtype(self, value: ir.Value) -> ir.DataType | None:
        """Return the element type."""
        return value.dtype if value.dtype is not None else self._inferred(value)

    def shape(self, value: ir.Value) -> tuple[Dim, ...] | None:
        """Return the dims, None when they are not known."""
        return self._shape(value)

    def is_constant(self, value: ir.Value) -> bool:
        """Return whether the value is a weight or the output of a Constant node."""
        return self.tensor(value) is not None

    def is_flexible(self, value: ir.Value | None) -> bool:
        """Return whether typing decides this value's type."""
        return value is not None and self.dtype(value) in FLEXIBLE

    def tensor(self, value: ir.Value) -> ir.TensorProtocol | None:
        """Return a constant's contents, None for anything computed or fed."""
        if value.const_value is not None and not value.is_graph_input():
            return value.const_value
        node = value.producer()
        if node is None or node.op_type != "Constant":
            return None
        return constant_tensor(node)

    def array(self, value: ir.Value) -> np.ndarray | None:
        """Return a constant as an array, None for anything else."""
        tensor = self.tensor(value)
        return None if tensor is None else np.asarray(tensor.numpy())

    def elements(self, value: ir.Value) -> int:
        """Return how many elements a constant has."""
        tensor = self.tensor(value)
        return 0 if tensor is None else tensor.size

    def extent(self, value: ir.Value) -> tuple[float, float]:
        """Return the largest finite and the smallest nonzero magnitude of a constant."""
        if value not in self._extents:
            array = self.array(value)
            assert array is not None, value.name
            self._extents[value] = _extent(array.reshape(-1))
        return self._extents[value]


def _extent(flat: np.ndarray) -> tuple[float, float]:
    """Scan in pieces, so that a memory-mapped weight is never copied whole."""
    largest, smallest = 0.0, math.inf
    for start in range(0, flat.size, _CHUNK):
        size = np.abs(flat[start : start + _CHUNK].astype(np.float32, copy=False))
        size = size[np.isfinite(size) & (size > 0)]
        if size.size:
            largest = max(largest, float(size.max()))
            smallest = min(smallest, float(size.min()))
    return largest, (smallest if math.isfinite(smallest) else 0.0)
