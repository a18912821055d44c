"""Walking a graph: to what lies behind a value, to what is above it, into the bodies of a node."""

from __future__ import annotations

from collections.abc import Callable, Collection

import onnx_ir as ir


def behind(value: ir.Value, through: Collection[str]) -> ir.Value:
    """Return what a chain of standard operators of these kinds starts from, by first inputs."""
    while (node := value.producer()) is not None and node.op_type in through and not node.domain:
        source = node.inputs[0]
        if source is None:
            break
        value = source
    return value


def border_above(value: ir.Value, inside: Callable[[ir.Value], bool]) -> list[ir.Value]:
    """Return the nearest values above one that are not inside; those inside are walked through."""
    found: list[ir.Value] = []
    todo, seen = [value], {value}
    while todo:
        node = todo.pop().producer()
        for source in node.inputs if node is not None else ():
            if source is not None and source not in seen:
                seen.add(source)
                (todo if inside(source) else found).append(source)
    return found


def bodies(node: ir.Node) -> list[ir.Graph]:
    """Return the graphs in a node's attributes: branches, and bodies of loops."""
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found += attribute.as_graphs()
    return found
