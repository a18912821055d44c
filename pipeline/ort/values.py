"""numpy arrays as values of ONNX Runtime and back, bfloat16 included."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from pipeline.errors import EnvironmentMissingError

BFLOAT16 = 16  # of TensorProto.DataType, like the keys of KINDS
KINDS = {1: "<f4", 7: "<i8", 10: "<f2", 11: "<f8"}
_FLOATS = {
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
}


def bfloat16() -> np.dtype[Any]:
    """Return numpy's type for bfloat16.

    Raises:
        EnvironmentMissingError: ml_dtypes, which brings it, is not installed.
    """
    try:
        import ml_dtypes
    except ImportError as err:
        raise EnvironmentMissingError(
            "numpy has no bfloat16 by itself.", fix="pip install ml_dtypes"
        ) from err
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def fit(array: np.ndarray, kind: str) -> np.ndarray:
    """Return an array in the floating type of an input, as a module converts its inputs.

    Integers and booleans keep their type: the runtime says when it is another one.

    Args:
        array: Of any strides; what is returned is contiguous.
        kind: The input's type as the runtime writes it, such as `tensor(float)`.
    """
    wanted = _FLOATS.get(kind)
    if wanted is not None and array.dtype.name in _FLOATS.values():
        array = array.astype(bfloat16() if wanted == "bfloat16" else wanted, copy=False)
    return np.require(array, requirements="C")


def to_value(array: np.ndarray, device: str = "cpu") -> Any:
    """Return an array as a value of the runtime; on the CPU it is the array's own memory.

    bfloat16 goes in as its bits.
    """
    if array.dtype.kind == "V" and array.dtype.name == "bfloat16":
        raw = np.require(array, requirements="C").view(np.uint16)
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(array, device)


def lend_array(value: Any) -> np.ndarray:
    """Return a value in host memory as an array of that memory, which keeps the value alive."""
    kind = KINDS.get(value.element_type())
    return to_array(value) if kind is None else np.asarray(_Lent(value, kind))


class _Lent:
    def __init__(self, value: Any, kind: str) -> None:
        self._value = value
        self.__array_interface__ = {
            "version": 3,
            "shape": tuple(value.shape()),
            "typestr": kind,
            "data": (value.data_ptr(), False),
        }


def to_array(value: Any) -> np.ndarray:
    """Return a value as an array; numpy knows no bfloat16 of the runtime, so its bits are copied.

    Raises:
        EnvironmentMissingError: A bfloat16 value, and ml_dtypes is not installed.
    """
    if value.element_type() != BFLOAT16:
        array: np.ndarray = value.numpy()
        return array
    shape: Sequence[int] = value.shape()
    if not all(shape):
        return np.zeros(shape, bfloat16())
    memory = (ctypes.c_uint16 * int(np.prod(shape))).from_address(value.data_ptr())
    bits: np.ndarray = np.array(memory, np.uint16).view(bfloat16())
    return bits.reshape(shape)
