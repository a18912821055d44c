"""Quantized values and products with them."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
import torch

from pipeline.judge.dtypes import FLOAT8, integer_range
from pipeline.judge.op import Kernel, Op, Table, Tensor
from pipeline.judge.ops.casting import to_float8

_MS = "com.microsoft"


def spread(parameter: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Return a scale or zero point so that it broadcasts with x.

    Per tensor (one element), per axis (a vector along `axis`), or per block of `block`
    elements along `axis`.
    """
    if parameter.numel() == 1 and parameter.dim() <= 1:
        return parameter.reshape(())
    if parameter.dim() == 1 and not block:
        view = [1] * x.dim()
        view[axis] = -1
        return parameter.reshape(view)
    at = axis % x.dim()
    size = block or -(-x.shape[at] // parameter.shape[at])
    return parameter.repeat_interleave(size, at).narrow(at, 0, x.shape[at])


def _target(op: Op) -> ir.DataType:
    """Return the quantized type: the attribute, the zero point's, or uint8."""
    code = op.get("output_dtype", 0)
    if code:
        return ir.DataType(code)
    declared = op.input_types[2] if op.arity > 2 else None
    return declared if declared is not None else ir.DataType.UINT8


def quantize(op: Op) -> Kernel:
    """Return saturate(round(x / scale) + zero point), half to even."""
    axis, block, declared = op.get("axis", 1), op.get("block_size", 0), _target(op)
    dtype, saturates = op.precision.held(declared), bool(op.get("saturate", 1))

    def kernel(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        y = x.to(_wide(scale)) / spread(scale, x, axis, block).to(_wide(scale))
        if dtype in FLOAT8:
            return to_float8(y, dtype, saturates)
        y = torch.round(y)
        if zero is not None:
            y = y + spread(zero, x, axis, block).to(y.dtype)
        return y.clamp(*integer_range(declared)).to(dtype)

    return kernel


def _wide(scale: Tensor) -> torch.dtype:
    return torch.float64 if scale.dtype == torch.float64 else torch.float32


def dequantize(op: Op) -> Kernel:
    """Return (x - zero point) * scale in the scale's type."""
    axis, block = op.get("axis", 1), op.get("block_size", 0)

    def kernel(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        y = x.to(scale.dtype)
        if zero is not None:
            y = y - spread(zero, x, axis, block).to(scale.dtype)
        return y * spread(scale, x, axis, block)

    return kernel


def dynamic_quantize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x as uint8 over its own range (0 included), its scale and zero point."""
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    scale = (high - low) / 255
    safe = torch.where(scale == 0, torch.ones((), dtype=scale.dtype), scale)
    zero = torch.round(-low / safe).clamp(0, 255)
    y = (torch.round(x / safe) + zero).clamp(0, 255)
    return y.to(torch.uint8), scale, zero.to(torch.uint8)


def _centred(x: Tensor, zero: Tensor | None, rows: bool) -> Tensor:
    """Return x - zero point as float64, where products of 8-bit integers are exact."""
    y = x.double()
    if zero is None:
        return y
    shift = zero.double()
    # A vector belongs to the rows of A, to the columns of B.
    return y - (shift.unsqueeze(-1) if rows and shift.dim() == 1 and x.dim() > 1 else shift)


def matmul_integer(_op: Op) -> Kernel:
    """Return (A - a_zero) (B - b_zero) in int32."""

    def kernel(
        a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
    ) -> Tensor:
        return torch.matmul(_centred(a, a_zero, True), _centred(b, b_zero, False)).to(torch.int32)

    return kernel


def qlinear_matmul(op: Op) -> Kernel:
    """Return the product of two quantized matrices, quantized again."""
    declared = op.input_types[7] or ir.DataType.UINT8

    def kernel(*inputs: Tensor) -> Tensor:
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = inputs
        y = torch.matmul(_centred(a, a_zero, True), _centred(b, b_zero, False))
        row_scale = a_scale.double().unsqueeze(-1) if a_scale.dim() == 1 else a_scale.double()
        scaled = y * row_scale * b_scale.double() / y_scale.double()
        bounds = integer_range(declared)
        return (torch.round(scaled) + y_zero.double()).clamp(*bounds).to(y_zero.dtype)

    return kernel


def dynamic_quantize_matmul(_op: Op) -> Kernel:
    """Return quantize(A) B dequantized, plus bias (com.microsoft)."""

    def kernel(
        a: Tensor,
        b: Tensor,
        b_scale: Tensor,
        b_zero: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        quantized, scale, zero = dynamic_quantize(a)
        y = torch.matmul(_centred(quantized, zero, True), _centred(b, b_zero, False))
        y = (y * scale.double() * b_scale.double()).to(a.dtype)
        return y if bias is None else y + bias

    return kernel


def matmul_integer_to_float(_op: Op) -> Kernel:
    """Return the product of two quantized matrices dequantized, plus bias (com.microsoft)."""

    def kernel(
        a: Tensor,
        b: Tensor,
        a_scale: Tensor,
        b_scale: Tensor,
        a_zero: Tensor | None = None,
        b_zero: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        y = torch.matmul(_centred(a, a_zero, True), _centred(b, b_zero, False))
        y = (y * a_scale.double() * b_scale.double()).to(a_scale.dtype)
        return y if bias is None else y + bias

    return kernel


def unpacked(blob: Tensor, bits: int) -> Tensor:
    """Return the unsigned integers a byte tensor holds along its last axis, low bits first."""
    shifts = torch.arange(0, 8, bits, dtype=torch.int32)
    values: Tensor = (blob.to(torch.int32).unsqueeze(-1) >> shifts) & (2**bits - 1)
    return values.flatten(-2)


def matmul_nbits(op: Op) -> Kernel:
    """Return A W^T with W unpacked from blocks of n-bit integers, plus bias (com.microsoft).

    A is never quantized here: `accuracy_level` lets a runtime do so, at 0.4-1.1 % error.
    """
    bits, block = op.get("bits", 4), op.get("block_size")
    columns, inner = op.get("N"), op.get("K")
    blocks = -(-inner // block)
    if op.get("weight_prepacked", 0):
        raise ValueError("prepacked weights are laid out for one GPU and cannot be judged")

    def kernel(
        a: Tensor,
        b: Tensor,
        scales: Tensor,
        zeros: Tensor | None = None,
        groups: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Any:
        if groups is not None:
            raise ValueError("g_idx is deprecated and not judged")
        if not b.numel():
            return a.new_zeros((*a.shape[:-1], columns)) + (0 if bias is None else bias)
        weights = unpacked(b.reshape(columns, blocks, -1), bits).to(scales.dtype)
        weights = weights - _zero_points(zeros, columns, blocks, bits).to(scales.dtype)
        weights = weights * scales.reshape(columns, blocks, 1)
        y = torch.matmul(a, weights.reshape(columns, -1)[:, :inner].T.to(a.dtype))
        return y if bias is None else y + bias

    return kernel


def _zero_points(zeros: Tensor | None, columns: int, blocks: int, bits: int) -> Tensor:
    if zeros is None:
        return torch.tensor(2 ** (bits - 1))
    if zeros.is_floating_point():
        return zeros.reshape(columns, blocks, 1)
    return unpacked(zeros.reshape(columns, -1), bits)[:, :blocks].unsqueeze(-1)


TABLE: Table = {
    ("", "QuantizeLinear"): quantize,
    ("", "DequantizeLinear"): dequantize,
    (_MS, "QuantizeLinear"): quantize,
    (_MS, "DequantizeLinear"): dequantize,
    ("", "DynamicQuantizeLinear"): lambda _op: dynamic_quantize,
    ("", "MatMulInteger"): matmul_integer,
    ("", "QLinearMatMul"): qlinear_matmul,
    (_MS, "MatMulIntegerToFloat"): matmul_integer_to_float,
    (_MS, "DynamicQuantizeMatMul"): dynamic_quantize_matmul,
    (_MS, "MatMulNBits"): matmul_nbits,
}
