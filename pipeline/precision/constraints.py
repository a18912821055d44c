"""Why a node must stay float32: its operator, its range, its constants, or the ONNX standard."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Protocol

import onnx_ir as ir

from pipeline.precision.masks import Masks
from pipeline.precision.policy import FLEXIBLE, MARGIN, OPAQUE, SENSITIVE, Limits
from pipeline.precision.values import Values

_STANDARD = ("", "ai.onnx")
_TYPE_NAMES = {
    ir.DataType.FLOAT16: "tensor(float16)",
    ir.DataType.BFLOAT16: "tensor(bfloat16)",
}
_SMALL_MATTERS = frozenset({"Add", "Max", "Clip", "Div", "Sub"})
_DIVIDES = frozenset({"Div"})


class Range(Protocol):
    """What is known of one value's contents; see pipeline.judge.ranges."""

    low: float
    high: float
    tiny: float

    @property
    def largest(self) -> float:
        """Largest finite magnitude."""


def must_stay(
    node: ir.Node, values: Values, limits: Limits, masks: Masks, ranges: Mapping[str, Range]
) -> str:
    """Return the first reason why a node must compute in float32, `` when there is none."""
    checks = (
        _by_operator(node),
        _by_mask(node, masks),
        _by_standard(node, values, limits),
        *(_by_constant(node, v, values, limits, masks) for v in node.inputs if v is not None),
        *(_by_range(node, v, values, limits, masks, ranges) for v in _floats(node, values)),
        _by_division(node, values, limits, ranges),
    )
    return next((reason for reason in checks if reason), "")


def _by_operator(node: ir.Node) -> str:
    if node.op_type in OPAQUE:
        return f"{node.op_type} keeps the types of the file"
    if node.op_type == "Cast":
        return ""
    if node.domain in _STANDARD and node.op_type in SENSITIVE:
        return f"{node.op_type}: {SENSITIVE[node.op_type]}"
    if node.op_type == "LayerNormalization" and len(node.outputs) > 1:
        return "LayerNormalization gives its statistics too"
    return ""


def _by_mask(node: ir.Node, masks: Masks) -> str:
    if any(v in masks.wide for v in node.outputs):
        return "a mask on its way into a softmax"
    return ""


def _by_standard(node: ir.Node, values: Values, limits: Limits) -> str:
    if node.domain not in _STANDARD:
        return ""
    allowed = _allowed(node.op_type, values.opset)
    if allowed is not None and _TYPE_NAMES[limits.dtype] not in allowed:
        return f"{node.op_type} has no {limits.dtype.name} form in opset {values.opset}"
    return ""


@lru_cache(maxsize=4096)
def _allowed(operator: str, opset: int) -> frozenset[str] | None:
    """Return the types that inputs and first output allow where they allow float, None if unknown.

    Later outputs may be statistics with a type of their own.
    """
    import onnx

    try:
        schema = onnx.defs.get_schema(operator, opset, "")
    except onnx.defs.SchemaError:
        return None
    named = {p.type_str for p in (*schema.inputs, *schema.outputs[:1])}
    floating = [
        set(c.allowed_type_strs)
        for c in schema.type_constraints
        if c.type_param_str in named and "tensor(float)" in c.allowed_type_strs
    ]
    return frozenset(set.intersection(*floating)) if floating else None


def _by_constant(
    node: ir.Node, value: ir.Value, values: Values, limits: Limits, masks: Masks
) -> str:
    """A weight that does not fit, or a small number that would vanish where it matters."""
    if not values.is_constant(value) or values.dtype(value) not in FLEXIBLE:
        return ""
    if value in masks.values:
        return ""
    largest, smallest = values.extent(value)
    if largest > limits.largest:
        return f"the constant {value.name} reaches {largest:.3g}"
    scalar = values.elements(value) == 1
    if scalar and node.op_type in _SMALL_MATTERS and 0 < smallest < limits.normal:
        return f"the constant {smallest:.3g} vanishes in {limits.dtype.name.lower()}"
    return ""


def _by_range(
    node: ir.Node,
    value: ir.Value,
    values: Values,
    limits: Limits,
    masks: Masks,
    ranges: Mapping[str, Range],
) -> str:
    """Values that overflow, that are too small to be told from zero, or that count."""
    seen = ranges.get(value.name or "")
    if value in masks.values or seen is None:
        return ""
    largest = seen.largest
    if largest * MARGIN > limits.largest:
        return f"{value.name} reaches {largest:.3g}"
    if 0 < largest < limits.normal:
        return f"{value.name} stays below {largest:.3g}"
    if _counts(node, value) and largest > limits.exact:
        return f"{value.name} counts up to {largest:.0f}, exact only to {limits.exact}"
    return ""


def _counts(node: ir.Node, value: ir.Value) -> bool:
    """Return whether a value is a whole number made float: a position, a length."""
    if node.op_type == "Cast" and value in node.outputs:
        return True
    producer = value.producer()
    return producer is not None and producer.op_type in ("Cast", "Range")


def _by_division(node: ir.Node, values: Values, limits: Limits, ranges: Mapping[str, Range]) -> str:
    """A denominator that the low type would round to zero."""
    if node.op_type not in _DIVIDES or node.inputs[1] is None:
        return ""
    divisor = node.inputs[1]
    if values.is_constant(divisor):
        return ""
    seen = ranges.get(divisor.name or "")
    if seen is not None and math.isfinite(seen.tiny) and seen.tiny < limits.normal:
        return f"it divides by {divisor.name}, as small as {seen.tiny:.3g}"
    return ""


def _floats(node: ir.Node, values: Values) -> Iterator[ir.Value]:
    for value in (*node.inputs, *node.outputs):
        if value is None or values.is_constant(value):
            continue
        if values.dtype(value) in FLEXIBLE:
            yield value
