"""Drop nodes that pass a tensor on unchanged, bit for bit.

onnx-ir's IdentityEliminationPass knows the operator Identity alone.
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.normalise.draft import Draft

# Equal shapes make these identities: they only rearrange or repeat, in row-major order.
_RESHAPES = frozenset({"Reshape", "Expand", "Squeeze", "Unsqueeze", "Flatten", "Tile"})
_SINGLE = frozenset({"Concat", "Sum", "Max", "Min", "Mean"})
# What leaves the other operand as it is. Adding 0.0 does not: it makes -0.0 positive.
_NEUTRAL = {"Mul": 1.0, "Div": 1.0, "Pow": 1.0, "Add": 0.0, "Sub": 0.0, "And": 1.0, "Or": 0.0}
_COMMUTATIVE = frozenset({"Mul", "Add", "And", "Or"})


def drop_identities(draft: Draft) -> int:
    """Let the users of each identity read its input instead."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            source = None if node.domain else _passed_on(draft.facts, node)
            if source is not None and draft.bypass(node, source):
                count += 1
    return count


def _passed_on(facts: Facts, node: ir.Node) -> ir.Value | None:
    """Return the value the node's first output always equals, if there is one."""
    if not node.inputs or not node.outputs:
        return None
    if any(v.is_graph_output() or any(True for _ in v.uses()) for v in node.outputs[1:]):
        return None
    first = node.inputs[0]
    if node.op_type == "Where":
        return _certain_choice(facts, node)
    if node.op_type in _NEUTRAL:
        return _by_neutral(facts, node)
    return first if _is_identity(facts, node) else None


def _is_identity(facts: Facts, node: ir.Node) -> bool:
    kind, first, out = node.op_type, node.inputs[0], node.outputs[0]
    if kind == "Identity":
        return True
    if kind == "Dropout":
        return _inference_only(facts, node)
    if kind in ("Cast", "CastLike"):
        return facts.dtype(first) is not None and facts.dtype(first) == facts.dtype(out)
    if kind == "Transpose":
        order = node.attributes.get_ints("perm")
        return order is not None and list(order) == sorted(order)
    if kind in _SINGLE:
        return len(node.inputs) == 1
    if kind in _RESHAPES or (kind == "Slice" and _forward(facts, node)):
        return _same_shape(facts, first, out)
    if kind == "Pad":
        pads = facts.ints(node.inputs[1]) if len(node.inputs) > 1 else None
        return pads is not None and all(p == 0 for p in pads)
    return False


def _same_shape(facts: Facts, left: ir.Value | None, right: ir.Value) -> bool:
    shape = facts.shape(left)
    return shape is not None and shape == facts.shape(right)


def _inference_only(facts: Facts, node: ir.Node) -> bool:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    mode = facts.const(node.inputs[2]) if facts.is_const(node.inputs[2]) else None
    return mode is not None and not mode.any()


def _forward(facts: Facts, node: ir.Node) -> bool:
    """Return whether a Slice does not reverse or skip."""
    if len(node.inputs) < 5 or node.inputs[4] is None:
        return True
    steps = facts.ints(node.inputs[4])
    return steps is not None and all(s == 1 for s in steps)


def _by_neutral(facts: Facts, node: ir.Node) -> ir.Value | None:
    """Return the other operand of, say, a multiplication by exactly 1."""
    left, right = node.inputs
    out = node.outputs[0]
    dtype = facts.dtype(out)
    if node.op_type in ("Add", "Sub") and (dtype is None or not dtype.is_integer()):
        return None
    pairs = ((right, left), (left, right)) if node.op_type in _COMMUTATIVE else ((right, left),)
    for neutral, other in pairs:
        known = facts.is_const(neutral) and facts.scalar(neutral) == _NEUTRAL[node.op_type]
        if known and _same_shape(facts, other, out) and facts.dtype(other) == dtype:
            return other
    return None


def _certain_choice(facts: Facts, node: ir.Node) -> ir.Value | None:
    condition, yes, no = node.inputs
    known = facts.is_const(condition)
    choice = facts.scalar(condition) if known else None
    picked = None if choice is None else (yes if choice else no)
    return picked if picked is not None and _same_shape(facts, picked, node.outputs[0]) else None
