"""Finds the quantisers that stand inside what would otherwise be one operator.

Between a projection and an attention or norm a quantiser is an operand's business. Inside, it
rounds a value that the fused operator never rounds: the numbers would change, so such a site is
left as it is, and the quantiser is what the refusal names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.operators import QUANTISERS

_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_INTEGER = frozenset(
    {"MatMulInteger", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QLinearSoftmax",
     "QLinearReduceMean"}
)  # fmt: skip
_STEPS = frozenset(
    {"Add", "Sub", "Mul", "Div", "Where", "Cast", "Identity", "Reshape", "Transpose", "Squeeze",
     "Unsqueeze", "Expand", "Dropout", "Max", "Clip", "Concat", "Slice", "IsNaN", "Sqrt", "Pow",
     "Reciprocal"}
)  # fmt: skip
_NEAR = 40


def rounds(node: ir.Node) -> bool:
    """Return whether the node rounds to integers, reads rounded ones or computes on them."""
    return node.domain in _DOMAINS and node.op_type in QUANTISERS | _INTEGER


def rounded_type(node: ir.Node, facts: Facts) -> str:
    """Return the type that a node which `rounds` rounds to, e.g. `uint8`."""
    values = [*node.outputs[:1], *(v for v in node.inputs if v is not None)]
    kinds = (facts.dtype(value) for value in values)
    integers = (str(k).lower() for k in kinds if k is not None and not k.is_floating_point())
    return next(integers, "integers")


def first_rounding(
    start: ir.Node, ends: Callable[[ir.Node], bool], *, forward: bool
) -> tuple[ir.Node | None] | None:
    """Walk from a node to the nearest one with a property; return what rounds first on the way.

    Args:
        start: Where to begin; it does not count.
        ends: The property.
        forward: Along the consumers rather than the producers.

    Returns:
        A tuple of the node that rounds (it may be the end itself), or of None when none does;
        None when no node with the property is near.
    """
    todo: deque[tuple[ir.Node, ir.Node | None]] = deque([(start, None)])
    seen = {start}
    while todo and len(seen) < _NEAR:
        node, rounding = todo.popleft()
        for other in _neighbours(node, forward=forward):
            if other in seen:
                continue
            seen.add(other)
            met = rounding or (other if rounds(other) else None)
            if ends(other):
                return (met,)
            if rounds(other) or other.op_type in _STEPS:
                todo.append((other, met))
    return None


def _neighbours(node: ir.Node, *, forward: bool) -> list[ir.Node]:
    if forward:
        return [user for value in node.outputs for user in value.consumers()]
    makers = (value.producer() for value in node.inputs if value is not None)
    return [maker for maker in makers if maker is not None]
