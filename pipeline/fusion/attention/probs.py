"""From a Softmax down to the product with the values, and what happens on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import Contraction, contraction_of
from pipeline.graph.views.view import is_layout

MAX_STEPS = 16


@dataclass(frozen=True)
class Way:
    """The way from the softmax to the product with the values.

    Attributes:
        layout: Layout nodes on the way, in order.
        nodes: Every node on the way, guards included.
        product: The product that consumes the probabilities, None when not reached.
        operand: Which operand of the product they are.
        zero_rows: A NaN guard applied to the probabilities.
        masks: Where nodes that zero probabilities after the softmax, and whether they do so
            where their condition is True.
        dropped: How many trailing keys a Slice drops (the sink's).
        weights: The probabilities as others than the product read them, too, or None.
        weights_at: How many of the layout nodes come before that point.
        reason: Why the product was not reached.
        at: The node where the way ended, None where nobody reads the probabilities further.
    """

    layout: tuple[ir.Node, ...] = ()
    nodes: tuple[ir.Node, ...] = ()
    product: Contraction | None = None
    operand: int = 0
    zero_rows: bool = False
    masks: tuple[tuple[ir.Node, bool], ...] = ()
    dropped: int = 0
    weights: ir.Value | None = None
    weights_at: int = 0
    reason: str = ""
    at: ir.Node | None = None


def follow(probs: ir.Value, facts: Facts) -> list[Way]:
    """Return the ways from the probabilities to the products that consume them.

    More than one where every consumer is such a product; else the one way, with the reason why
    it ended.
    """
    return _onward(probs, Way(), facts)


def _onward(value: ir.Value, way: Way, facts: Facts) -> list[Way]:
    # what only asks for the size of the probabilities is answered from elsewhere
    users = [node for node in value.consumers() if node.op_type != "Shape"]
    way = replace(way, at=users[0] if users else None)
    if len(way.nodes) > MAX_STEPS:
        return _ended(way, f"no product with values within {MAX_STEPS} operators")
    guard = _guard(value, users)
    if guard:
        way = replace(way, zero_rows=True, nodes=(*way.nodes, *guard))
        return _onward(guard[1].outputs[0], way, facts)
    returned = value.is_graph_output()
    if len(users) == 1 and not returned:
        return _into(users[0], value, way, facts)
    branches = [end for user in users for end in _into(user, value, way, facts)]
    products = [end for end in branches if end.product is not None]
    if branches == products and not returned and branches:
        return branches
    if len(products) == 1 and products[0].weights is None:
        return [replace(products[0], weights=value, weights_at=len(way.layout))]
    if returned:
        return _ended(way, "the probabilities are an output of the model")
    ops = ", ".join(sorted({user.op_type for user in users}))
    return _ended(way, f"the probabilities have {len(users)} consumers ({ops}), not one")


def _into(node: ir.Node, value: ir.Value, way: Way, facts: Facts) -> list[Way]:
    """Go on through one consumer."""
    way = replace(way, at=node)
    product = contraction_of(node, facts)
    if product is not None:
        return [replace(way, product=product, operand=0 if product.operands[0] is value else 1)]
    passed = _passed(value, node, way, facts)
    if passed is None:
        return _ended(way, f"{node.op_type} between the softmax and the values is not understood")
    return _onward(node.outputs[0], replace(passed, nodes=(*way.nodes, node)), facts)


def _ended(way: Way, reason: str) -> list[Way]:
    return [replace(way, reason=reason)]


def _guard(value: ir.Value, users: list[ir.Node]) -> tuple[ir.Node, ...]:
    """Return the nodes of Where(IsNaN(p), 0, p) where that is what reads the probabilities."""
    tests = [u for u in users if u.op_type == "IsNaN"]
    picks = [u for u in users if u.op_type == "Where"]
    if len(tests) != 1 or len(picks) != 1 or len(users) != 2:
        return ()
    (test,), (pick,) = tests, picks
    same = pick.inputs[0] is test.outputs[0] and pick.inputs[2] is value
    return (test, pick) if same else ()


def _passed(value: ir.Value, node: ir.Node, way: Way, facts: Facts) -> Way | None:
    """Return the way behind a node that does not change what probabilities mean, else None."""
    match node.op_type:
        case "Slice" if not way.dropped:
            before, after = facts.shape(value), facts.shape(node.outputs[0])
            if before is None or after is None or before[:-1] != after[:-1]:
                return None
            dropped = (before[-1] - after[-1]).const
            return replace(way, dropped=1) if dropped == 1 else None
        case "Where" if node.inputs[0] is not None and _zero_mask(node, value, facts):
            return replace(way, masks=(*way.masks, (node, node.inputs[2] is value)))
        case "Cast" | "Dropout":
            return way
        case "Expand" | "Tile" | "Concat":
            return None
    return replace(way, layout=(*way.layout, node)) if is_layout(node, facts) else None


def _zero_mask(node: ir.Node, value: ir.Value, facts: Facts) -> bool:
    other = node.inputs[1] if node.inputs[2] is value else node.inputs[2]
    return other is not None and facts.scalar(other) == 0.0
