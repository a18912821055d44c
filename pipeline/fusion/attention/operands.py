"""Reading operands through layout nodes and constant scales, down to where the data lies."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.frame import Frame
from pipeline.graph.views.view import View, apply_layout, base_view, is_layout, view_of


class Unmatched(Exception):
    """The candidate is not an attention we understand.

    Args:
        reason: The first condition that broke, with values.
        node: The node at fault.
        remedy: What the user can change.
    """

    def __init__(self, reason: str, node: ir.Node | None = None, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.node, self.remedy = reason, node, remedy


def operand_view(value: ir.Value, facts: Facts, *, scales: bool = True) -> tuple[View, float]:
    """Return the operand as a view, and the constant it was multiplied by on the way.

    Raises:
        Unmatched: The operand's rank is unknown.
    """
    chain: list[ir.Node] = []
    while (node := value.producer()) is not None:
        source = node.inputs[0] if is_layout(node, facts) else None
        if source is None and scales:
            scaled = constant_scale(node, facts)
            source = scaled[0] if scaled is not None else None
        if source is None:
            break
        chain.append(node)
        value = source
    view, factor = base_view(value, facts), 1.0
    for node in reversed(chain):
        if is_layout(node, facts):
            moved = apply_layout(view, node, facts) if view is not None else None
            if moved is None:
                moved, factor = base_view(node.outputs[0], facts), 1.0
            view = moved
        else:
            scaled = constant_scale(node, facts)
            assert scaled is not None
            factor *= scaled[1]
    if view is None:
        raise Unmatched("the rank of an operand is unknown", value.producer())
    return view, factor


def constant_scale(node: ir.Node, facts: Facts) -> tuple[ir.Value, float] | None:
    """Return (x, c) when the node computes x * c for a one-element constant c, else None."""
    if node.op_type not in ("Mul", "Div") or node.domain not in ("", "ai.onnx"):
        return None
    for i in (0, 1):
        value, other = node.inputs[i], node.inputs[1 - i]
        if value is None or other is None or (node.op_type == "Div" and i == 1):
            continue
        number = facts.scalar(other)
        if number is not None and facts.shape(value) == facts.shape(node.outputs[0]):
            if node.op_type == "Mul":
                return value, number
            return (value, 1.0 / number) if number else None
    return None


def readings(value: ir.Value, facts: Facts) -> Iterator[tuple[View | None, bool]]:
    """Yield the ways to read a mask or bias, the likeliest first.

    Each is a view, None where the rank is unknown, and whether sizes of it that are not known to
    fit may be assumed to: as what it is a layout of, as it stands, and as it stands on trust.
    """
    yield view_of(value, facts), False
    yield base_view(value, facts), False
    yield base_view(value, facts), True


def rearranged(frame: Frame, view: View, node: ir.Node, facts: Facts) -> View:
    """Return a view seen through one more layout node.

    Raises:
        Unmatched: The node regroups axes in a way that does not factor.
    """
    moved = frame.rearranged(view, node, facts)
    if moved is None:
        held = tuple(map(str, frame.view(view).shape))
        wanted = tuple(map(str, facts.shape(node.outputs[0]) or ("?",)))
        raise Unmatched(
            f"{node.op_type} from {list(held)} to {list(wanted)} does not factor along axes", node
        )
    return moved


def follow_result(
    frame: Frame, out: View, facts: Facts
) -> tuple[View, ir.Value, tuple[ir.Node, ...]]:
    """Follow a result through layout nodes as far as only they consume it.

    Args:
        frame: Splits the factors that the layouts split.
        out: The result, as a view of the value that an operator writes.
        facts: Shapes.

    Returns:
        The result as it is laid out last, the last value reached, and the nodes on the way.
    """
    value = out.base
    tail: list[ir.Node] = []
    while not value.is_graph_output():
        users = list(value.consumers())
        if len(users) != 1 or not is_layout(users[0], facts) or users[0].inputs[0] is not value:
            break
        if users[0].op_type in ("Expand", "Tile", "Concat"):
            break
        moved = frame.rearranged(out, users[0], facts)
        if moved is None:
            break
        out, value = moved, users[0].outputs[0]
        tail.append(users[0])
    return out, value, tuple(tail)
