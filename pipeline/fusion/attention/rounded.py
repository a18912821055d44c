"""Refuses attentions with a quantiser inside, and says which one."""

from __future__ import annotations

import onnx_ir as ir

from pipeline.fusion.attention.scores import is_projection_weight
from pipeline.fusion.formulas.rounding import first_rounding, rounded_type, rounds
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import contraction_of

REMEDY = "quantise only the products with weights (nodes_to_exclude takes the other MatMuls)"
_FACTORS = {"MatMulInteger": (0, 1), "QLinearMatMul": (0, 3)}


def rounding_in(softmax: ir.Node, facts: Facts) -> tuple[str, ir.Node] | None:
    """Return why an attention around the softmax rounds inside, and the node that does.

    None when no product of two tensors reads the probabilities, or nothing is rounded.
    """

    def ends(node: ir.Node) -> bool:
        return _is_product(node, facts)

    below = first_rounding(softmax, ends, forward=True)
    above = first_rounding(softmax, ends, forward=False)
    if below is None or above is None:
        return None
    for node, what in (
        (above[0], "the scores become {} on the way to the softmax"),
        (softmax if rounds(softmax) else None, "the softmax is computed on {}"),
        (below[0], "the probabilities become {} on the way to the values"),
    ):
        if node is not None:
            what = what.format(rounded_type(node, facts))
            return f"{what} ({node.op_type}); an attention operator keeps them float", node
    return None


def _is_product(node: ir.Node, facts: Facts) -> bool:
    """Whether the node multiplies two computed tensors, in floats or in integers."""
    places = _FACTORS.get(node.op_type)
    if places is not None and len(node.inputs) > max(places):
        factors = [node.inputs[i] for i in places]
    else:
        product = contraction_of(node, facts)
        factors = list(product.operands) if product is not None else []
    return bool(factors) and not any(x is None or is_projection_weight(x, facts) for x in factors)
