"""Arithmetic, comparison and logic, one element at a time with broadcasting."""

from __future__ import annotations

from functools import reduce

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor, always


def divide(x: Tensor, y: Tensor) -> Tensor:
    """Return x / y; integers truncate toward zero, as the runtimes do."""
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def modulo(op: Op) -> Kernel:
    """Return the remainder with the sign of the divisor, of the dividend with fmod=1."""
    return torch.fmod if op.get("fmod", 0) else torch.remainder


def power(x: Tensor, y: Tensor) -> Tensor:
    """Return x ** y in the type of x; an integer base goes through float64 where y is not."""
    if x.is_floating_point():
        return torch.pow(x, y.to(x.dtype))
    if y.is_floating_point() or bool((y < 0).any()):
        return torch.pow(x.double(), y.double()).to(x.dtype)
    return torch.pow(x, y.to(x.dtype))


def _variadic(pair: Kernel) -> Kernel:
    def fold(*xs: Tensor) -> Tensor:
        return reduce(pair, xs)

    return fold


def mean_of(*xs: Tensor) -> Tensor:
    """Return the mean of the broadcast inputs."""
    return reduce(torch.add, xs) / len(xs)


def clip(op: Op) -> Kernel:
    """Return x limited to [min, max]: attributes before opset 11, inputs since."""
    low, high = op.get("min"), op.get("max")

    def by_attribute(x: Tensor) -> Tensor:
        return x if low is None and high is None else torch.clamp(x, low, high)

    def by_input(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        if low is None and high is None:
            return x
        # Bounds may come as one-element vectors; they are scalars all the same.
        bounds = [b if b is None else b.reshape(()).to(x.dtype) for b in (low, high)]
        return torch.clamp(x, *bounds)

    return by_attribute if op.version < 11 else by_input


def is_inf(op: Op) -> Kernel:
    """Return where x is infinite, of the signs asked for."""
    negative, positive = op.get("detect_negative", 1), op.get("detect_positive", 1)
    if negative and positive:
        return torch.isinf
    if negative:
        return torch.isneginf
    return torch.isposinf if positive else (lambda x: torch.zeros_like(x, dtype=torch.bool))


def shift(op: Op) -> Kernel:
    """Return x shifted by y bits to the left or right."""
    return torch.bitwise_left_shift if op.get("direction") == "LEFT" else torch.bitwise_right_shift


def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return x where the condition holds, else y."""
    return torch.where(condition, x, y)


_UNARY: dict[str, Kernel] = {
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Sign": torch.sign,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Exp": torch.exp,
    "Log": torch.log,
    "Erf": torch.erf,
    "Ceil": torch.ceil,
    "Floor": torch.floor,
    "Round": torch.round,  # half to even, as the operator says
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tan": torch.tan,
    "Asin": torch.asin,
    "Acos": torch.acos,
    "Atan": torch.atan,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Asinh": torch.asinh,
    "Acosh": torch.acosh,
    "Atanh": torch.atanh,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "IsNaN": torch.isnan,
    "Not": torch.logical_not,
    "BitwiseNot": torch.bitwise_not,
}
_BINARY: dict[str, Kernel] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": divide,
    "Pow": power,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}
TABLE: Table = {
    **{("", kind): always(kernel) for kind, kernel in (_UNARY | _BINARY).items()},
    ("", "Mod"): modulo,
    ("", "Min"): always(_variadic(torch.minimum)),
    ("", "Max"): always(_variadic(torch.maximum)),
    ("", "Sum"): always(_variadic(torch.add)),
    ("", "Mean"): always(mean_of),
    ("", "Clip"): clip,
    ("", "IsInf"): is_inf,
    ("", "BitShift"): shift,
    ("", "Where"): always(where),
}
