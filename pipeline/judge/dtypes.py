"""Element types: ONNX to torch, and what each judging mode holds and rounds to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import onnx_ir as ir
import torch

from pipeline import errors

Mode = Literal["float64", "float32", "float16", "bfloat16", "declared"]

_T = ir.DataType
TORCH: dict[ir.DataType, torch.dtype] = {
    _T.FLOAT: torch.float32,
    _T.FLOAT16: torch.float16,
    _T.BFLOAT16: torch.bfloat16,
    _T.DOUBLE: torch.float64,
    _T.BOOL: torch.bool,
    _T.INT8: torch.int8,
    _T.INT16: torch.int16,
    _T.INT32: torch.int32,
    _T.INT64: torch.int64,
    _T.UINT8: torch.uint8,
    _T.UINT16: torch.uint16,
    _T.UINT32: torch.uint32,
    _T.UINT64: torch.uint64,
    _T.FLOAT8E4M3FN: torch.float8_e4m3fn,
    _T.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    _T.FLOAT8E5M2: torch.float8_e5m2,
    _T.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
    _T.FLOAT8E8M0: torch.float8_e8m0fnu,
    _T.COMPLEX64: torch.complex64,
    _T.COMPLEX128: torch.complex128,
    # Sub-byte integers are held one per byte; the declared type keeps their range.
    _T.INT4: torch.int8,
    _T.UINT4: torch.uint8,
    _T.INT2: torch.int8,
    _T.UINT2: torch.uint8,
}
WIDE = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
HALF = frozenset({torch.float16, torch.bfloat16})
FLOAT8 = frozenset(
    {torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz}
)

_INTEGER_RANGE = {
    _T.INT2: (-2, 1),
    _T.UINT2: (0, 3),
    _T.INT4: (-8, 7),
    _T.UINT4: (0, 15),
    _T.INT8: (-128, 127),
    _T.UINT8: (0, 255),
    _T.INT16: (-32768, 32767),
    _T.UINT16: (0, 65535),
    _T.INT32: (-(2**31), 2**31 - 1),
}


def integer_range(declared: ir.DataType) -> tuple[int, int]:
    """Return the smallest and largest value of a quantized integer type."""
    return _INTEGER_RANGE[declared]


def is_sub_byte(declared: ir.DataType | None) -> bool:
    """Return whether integers of this type are held in a wider one."""
    return declared in (_T.INT4, _T.UINT4, _T.INT2, _T.UINT2)


@dataclass(frozen=True)
class Precision:
    """How a mode holds floating tensors (see `Judge` for what each mode means).

    Attributes:
        mode: The mode asked for.
        hold: The one type every wide float is held in, None where the graph decides.
        store: The type weights and inputs pass through first, None where it is `hold`.
        rounds: Whether node results are rounded, i.e. kernels see float32 in place of halves.
    """

    mode: Mode
    hold: torch.dtype | None
    store: torch.dtype | None
    rounds: bool

    def held(self, declared: ir.DataType) -> torch.dtype:
        """Return the torch type in which a tensor of the declared type is held.

        Raises:
            BadModelError: strings and other types that have no numbers.
        """
        own = TORCH.get(declared)
        if own is None:
            raise _unjudged(declared.name)
        return self.hold if self.hold is not None and own in WIDE else own

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a weight or input as this mode holds it."""
        if tensor.dtype not in WIDE:
            return tensor
        if self.store is not None:
            tensor = tensor.to(self.store)
        return tensor if self.hold is None else tensor.to(self.hold)


DECLARED = Precision("declared", None, None, rounds=True)


def _unjudged(name: str) -> errors.BadModelError:
    return errors.BadModelError(
        f"tensors of type {name} cannot be judged",
        fix="cut the model so that it starts after its strings, or store another type",
    )


def precision_of(mode: str, round_each: bool) -> Precision:
    """Return the precision a mode name stands for.

    Raises:
        UsageError: the name is none of the modes.
    """
    if mode not in get_args(Mode):
        raise errors.UsageError(
            f"unknown judging mode {mode!r}", fix=f"one of {', '.join(get_args(Mode))}"
        )
    chosen = cast(Mode, mode)
    if chosen == "declared":
        return DECLARED
    dtype = cast(torch.dtype, getattr(torch, chosen))
    if dtype not in HALF:
        return Precision(chosen, dtype, None, rounds=False)
    if round_each:
        return Precision(chosen, dtype, None, rounds=True)
    return Precision(chosen, torch.float32, dtype, rounds=False)


_BITS = {
    "bfloat16": (np.int16, torch.bfloat16),
    "float8_e4m3fn": (np.uint8, torch.float8_e4m3fn),
    "float8_e4m3fnuz": (np.uint8, torch.float8_e4m3fnuz),
    "float8_e5m2": (np.uint8, torch.float8_e5m2),
    "float8_e5m2fnuz": (np.uint8, torch.float8_e5m2fnuz),
    "float8_e8m0fnu": (np.uint8, torch.float8_e8m0fnu),
}
_BYTES = {"int4": np.int8, "uint4": np.uint8, "int2": np.int8, "uint2": np.uint8}


def to_torch(array: np.ndarray) -> torch.Tensor:
    """Return a torch tensor that owns the array's values in its own type.

    The types numpy only knows through ml_dtypes go over bit by bit, sub-byte integers one
    per byte.
    """
    name = array.dtype.name
    if array.dtype.kind in "OSU" or name.startswith(("float4_", "float6_")):
        raise _unjudged(name)
    if name in _BITS:
        bits, dtype = _BITS[name]
        return torch.from_numpy(np.array(array, order="C").view(bits)).view(dtype)
    if name in _BYTES:
        return torch.from_numpy(array.astype(_BYTES[name]))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # torch wants memory it may write to, and weights are read-only views of the file.
    return torch.from_numpy(np.array(array, order="C"))
