"""Floor division of integers as exporters write it, since Div rounds towards zero.

    a // b  ->  Div(a, b) - Cast(Not(Equal(Sign(a), Sign(b))) and Cast(Mod(a, b)))

One is taken off where the signs differ and there is a remainder. Followed step by step, the sign
of `a` would have to be known; seen as a whole, it need not be.
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.inference.call import Call
from pipeline.graph.inference.info import Dims
from pipeline.graph.sizes.dims import ONE


def floor_quotient(call: Call) -> Dims | None:
    """Return the contents of a Sub node that finishes a floor division of a single number."""
    quotient, correction = (_made_by(v) for v in call.node.inputs)
    if quotient is None or correction is None or quotient.op_type != "Div":
        return None
    both = _through(correction, "Cast")
    if both is None or both.op_type != "And" or not _corrects(call, both, quotient):
        return None
    above, below = (call.outer.info_of(v).ints for v in quotient.inputs)
    if above is None or below is None or len(above) != 1 or len(below) != 1:
        return None
    by = below[0].const
    return (above[0] // by,) if by is not None and by > 0 else None


def _corrects(call: Call, both: ir.Node, quotient: ir.Node) -> bool:
    """Return whether an And says that signs differ and a remainder is left."""
    sides = [_made_by(v) for v in both.inputs]
    for apart, remainder in (sides, sides[::-1]):
        rest = None if remainder is None else _through(remainder, "Cast")
        equal = None if apart is None else _through(apart, "Not")
        if rest is None or rest.op_type != "Mod" or list(rest.inputs) != list(quotient.inputs):
            continue
        if equal is not None and equal.op_type == "Equal" and _signs_of(call, equal, quotient):
            return True
    return False


def _signs_of(call: Call, equal: ir.Node, quotient: ir.Node) -> bool:
    """Return whether the signs of both operands are compared; the divisor's is 1."""
    above, _ = quotient.inputs
    for value, other in (equal.inputs, equal.inputs[::-1]):
        sign = _made_by(value)
        if sign is not None and sign.op_type == "Sign" and sign.inputs[0] is above:
            made = _made_by(other)
            if made is not None and made.op_type == "Sign":
                return made.inputs[0] is quotient.inputs[1]
            return call.outer.info_of(other).ints == (ONE,)
    return False


def _made_by(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _through(node: ir.Node, op_type: str) -> ir.Node | None:
    """Return what feeds a node of this type; the node itself is of no interest."""
    return _made_by(node.inputs[0]) if node.op_type == op_type and node.inputs else None
