"""numpy arrays as values of ONNX Runtime and back, bfloat16 included."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime as ort

BFLOAT16 = 16
KINDS = {1: "<f4", 7: "<i8", 10: "<f2", 11: "<f8"}  # of TensorProto.DataType


def to_value(array: np.ndarray, device: str = "cpu") -> Any:
    """Return an array as a value of the runtime; bfloat16 goes in as its bits."""
    if array.dtype == ml_dtypes.bfloat16:
        raw = np.ascontiguousarray(array).view(np.uint16)
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
    """Return a value as an array; numpy has no bfloat16, so its bits are copied out."""
    if value.element_type() != BFLOAT16:
        array: np.ndarray = value.numpy()
        return array
    shape: Sequence[int] = value.shape()
    if not all(shape):
        return np.zeros(shape, ml_dtypes.bfloat16)
    memory = (ctypes.c_uint16 * int(np.prod(shape))).from_address(value.data_ptr())
    bits: np.ndarray = np.array(memory, np.uint16).view(ml_dtypes.bfloat16)
    return bits.reshape(shape)
