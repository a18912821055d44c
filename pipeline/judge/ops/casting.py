"""Changes of element type."""

from __future__ import annotations

import onnx_ir as ir
import torch

from pipeline.judge.dtypes import FLOAT8, WIDE, integer_range, is_sub_byte
from pipeline.judge.op import Kernel, Op, Table, Tensor


def to_integer(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x truncated toward zero; NaN becomes 0 and what does not fit the nearest end.

    ONNX leaves both undefined and runtimes differ; saturation is the reading that keeps
    huge mask values on their side.
    """
    info = torch.iinfo(dtype)
    x = torch.nan_to_num(x.double(), nan=0.0, posinf=float("inf"), neginf=float("-inf"))
    top = x >= float(info.max)
    y = torch.where(top, torch.zeros((), dtype=x.dtype), x.clamp(min=float(info.min))).to(dtype)
    if dtype in (torch.uint16, torch.uint32, torch.uint64):
        return y
    return torch.where(top, torch.tensor(info.max, dtype=dtype), y)


def to_float8(x: Tensor, dtype: torch.dtype, saturate: bool) -> Tensor:
    """Return x on a float8 grid; out of range saturates, or becomes inf / NaN."""
    # The narrow type is reached from float32, where every float8 tie is still visible.
    x = x.float()
    if not saturate:
        largest = torch.finfo(dtype).max
        # Half a step above the largest value rounds up to something the type lacks.
        limit = largest * (1 + torch.finfo(dtype).eps / 4)
        lost = float("inf") if dtype == torch.float8_e5m2 else float("nan")
        over = torch.where(x > 0, lost, -lost)
        x = torch.where(x.abs() > limit, over, x)
        return x.to(dtype)
    largest = torch.finfo(dtype).max
    return torch.where(torch.isnan(x), x, x.clamp(-largest, largest)).to(dtype)


def wrapped(x: Tensor, declared: ir.DataType, dtype: torch.dtype) -> Tensor:
    """Return x truncated to a 2- or 4-bit integer; what does not fit loses its high bits."""
    low, high = integer_range(declared)
    return ((to_integer(x, torch.int64) - low) % (high - low + 1) + low).to(dtype)


def convert(x: Tensor, dtype: torch.dtype, saturate: bool = True) -> Tensor:
    """Return x in the held type `dtype` with ONNX Cast semantics."""
    if x.dtype == dtype:
        return x
    if dtype == torch.float8_e8m0fnu:
        raise NotImplementedError  # onnx.reference knows its rounding modes
    if dtype in FLOAT8:
        return to_float8(x, dtype, saturate)
    if dtype == torch.bool:
        return x != 0
    if (x.dtype in WIDE or x.dtype in FLOAT8) and dtype not in WIDE and not dtype.is_complex:
        return to_integer(x, dtype)
    return x.to(dtype)


def cast(op: Op) -> Kernel:
    """Return x in the type `to`; between wide floats the judge's mode decides (see Judge)."""
    declared = ir.DataType(op.get("to"))
    dtype, saturate = op.precision.held(declared), bool(op.get("saturate", 1))
    if is_sub_byte(declared):
        return lambda x: wrapped(x, declared, dtype)
    return lambda x: convert(x, dtype, saturate)


def cast_like(op: Op) -> Kernel:
    """Return x in the type of the second input."""
    saturate, declared = bool(op.get("saturate", 1)), op.input_types[1]
    if declared is not None and is_sub_byte(declared):
        return lambda x, like: wrapped(x, declared, like.dtype)
    return lambda x, like: convert(x, like.dtype, saturate)


TABLE: Table = {("", "Cast"): cast, ("", "CastLike"): cast_like}
