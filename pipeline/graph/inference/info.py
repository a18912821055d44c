"""What is known of one tensor."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.graph.sizes.dims import Dim

Dims: TypeAlias = "tuple[Dim, ...]"
INTS_LIMIT = 64  # longest tensor whose contents are followed symbolically


class Info(NamedTuple):
    """What is known of a tensor.

    Attributes:
        shape: Its dims, None when not even the rank is known.
        dtype: Its element type.
        ints: The contents in row-major order, for small tensors of fixed shape that hold whole
            numbers (also as floats or booleans).
    """

    shape: Dims | None = None
    dtype: ir.DataType | None = None
    ints: Dims | None = None


UNKNOWN = Info()


def grid(info: Info) -> np.ndarray | None:
    """Return the contents as an array of Dims in the tensor's shape."""
    if info.ints is None or info.shape is None:
        return None
    array = np.empty(len(info.ints), dtype=object)
    array[:] = info.ints
    return array.reshape([d.const or 0 for d in info.shape])


def flat(array: np.ndarray | None) -> Dims | None:
    """Return contents in row-major order, None for none or too many."""
    if array is None or array.size > INTS_LIMIT:
        return None
    return tuple(array.reshape(-1).tolist())
