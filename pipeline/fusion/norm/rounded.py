"""Refuses written-out norms with a quantiser inside, and says which one.

    x  ->  Q/DQ between the square, its mean, the root and the division by it

A norm operator rounds none of them, so these norms stay written out.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.formulas.rounding import first_rounding, rounded_type, rounds
from pipeline.fusion.norm.steps import DIVIDED
from pipeline.fusion.refusal import Refusal
from pipeline.graph.inference.facts import Facts

REMEDY = "quantise only the products with weights, or convert from opset 17 on, where it is one op"
_MEANS = frozenset({"ReduceMean", "ReduceSum", "QLinearReduceMean"})


def find_rounded_norms(graph: ir.Graph, facts: Facts) -> Iterator[Refusal]:
    """Yield every mean of squares whose root divides its input, where something is rounded."""
    for node in anchors(graph):
        if node.op_type not in _MEANS:
            continue
        found = _rounding_in(node, facts)
        if found is not None:
            what = f"its statistics become {rounded_type(found, facts)} ({found.op_type})"
            reason = f"{what}; a norm operator keeps them float"
            yield Refusal(node, "LayerNorm or RMSNorm", DIVIDED, reason, found, REMEDY)


def _rounding_in(mean: ir.Node, facts: Facts) -> ir.Node | None:
    """Return what rounds between the square and the division; None when it is no norm either."""
    above = first_rounding(mean, lambda node: _squares(node, facts), forward=False)
    root = first_rounding(mean, lambda node: node.op_type == "Sqrt", forward=True)
    if above is None or root is None:
        return None
    below = first_rounding(mean, lambda node: _divides(node, mean, facts), forward=True)
    return above[0] or root[0] or (below[0] if below is not None else None)


def _squares(node: ir.Node, facts: Facts) -> bool:
    """Whether the node squares a tensor."""
    if node.op_type == "Pow" and not node.domain:
        return facts.scalar(node.inputs[1]) == 2.0
    return node.op_type in ("Mul", "QLinearMul") and _same(node)


def _same(node: ir.Node) -> bool:
    second = 3 if node.op_type == "QLinearMul" else 1
    if len(node.inputs) <= second:
        return False
    return _behind(node.inputs[0]) is _behind(node.inputs[second])


def _behind(value: ir.Value | None) -> ir.Value | None:
    """Return the value behind quantisers."""
    while value is not None and (node := value.producer()) is not None and rounds(node):
        value = node.inputs[0]
    return value


def _divides(node: ir.Node, mean: ir.Node, facts: Facts) -> bool:
    """Whether the node scales a tensor of the shape that the mean was taken of."""
    if node.op_type not in ("Mul", "Div", "QLinearMul"):
        return False
    shape = facts.shape(node.outputs[0])
    return shape is not None and shape == facts.shape(mean.inputs[0])
