"""Edits of a graph: values taken over, dead nodes removed, equal ones merged, names told apart."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import APART, Emitter


def register(graph: ir.Graph, emit: Emitter) -> None:
    """Make the constants the new nodes use initializers where all who share them see them."""
    home = emit.shared.home if emit.shared.home is not None else graph
    for value in emit.constants:
        if value.graph is None and any(True for _ in value.uses()):
            home.register_initializer(value)


def take_over(graph: ir.Graph, old: ir.Value, new: ir.Value, facts: Facts) -> None:
    """Let one value replace another everywhere, with its name where it is a graph output."""
    if old is new:
        return
    new.type = new.type or old.type
    if new.shape is None:
        new.shape = old.shape
    outputs = [i for i, value in enumerate(graph.outputs) if value is old]
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    facts.replaced(old, new)
    if outputs:
        name = old.name
        old.name = None
        new.name = name


def remove_dead(graph: ir.Graph, nodes: Iterable[ir.Node]) -> None:
    """Remove nodes without users, and then those that only they used."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node.graph is None or any(_used(value) for value in node.outputs):
            continue
        owner = node.graph
        sources = [x.producer() for x in node.inputs if x is not None]
        owner.remove(node, safe=True)
        stack += [source for source in sources if source is not None]


def _used(value: ir.Value) -> bool:
    return value.is_graph_output() or any(True for _ in value.uses())


def sort(graph: ir.Graph) -> None:
    """Order the nodes so that each comes after what it uses."""
    graph.sort()


def merge_equal(graph: ir.Graph) -> None:
    """Merge nodes that lowerings made more than once from the same inputs (masks, sizes)."""
    seen: dict[tuple[object, ...], ir.Node] = {}
    for node in list(graph):
        if "pipeline.rule" not in node.metadata_props or len(node.outputs) != 1:
            continue
        if APART in node.metadata_props:
            continue
        key = _key(node)
        first = seen.setdefault(key, node)
        if first is node or node.outputs[0].is_graph_output():
            continue
        ir.convenience.replace_all_uses_with(node.outputs[0], first.outputs[0])
        graph.remove(node, safe=True)


def made_alike(left: ir.Value | None, right: ir.Value | None) -> bool:
    """Return whether `merge_equal` will make one value of two."""
    if left is right or left is None or right is None:
        return left is right
    first, second = left.producer(), right.producer()
    if first is None or second is None:
        return False
    if any("pipeline.rule" not in node.metadata_props for node in (first, second)):
        return False
    if APART in first.metadata_props or APART in second.metadata_props:
        return False
    if _kind(first) != _kind(second) or len(first.outputs) != 1:
        return False
    inputs = [*first.inputs], [*second.inputs]
    return len(inputs[0]) == len(inputs[1]) and all(map(made_alike, *inputs))


def _key(node: ir.Node) -> tuple[object, ...]:
    return (*_kind(node), *(None if x is None else id(x) for x in node.inputs))


def _kind(node: ir.Node) -> tuple[object, ...]:
    attributes = tuple(sorted((name, str(a.value)) for name, a in node.attributes.items()))
    return (node.domain, node.op_type, attributes)


def drop_unused_weights(graph: ir.Graph) -> None:
    """Remove initializers that nothing reads any more."""
    for name, value in list(graph.initializers.items()):
        if not _used(value) and not value.is_graph_input():
            del graph.initializers[name]


def name_apart(graph: ir.Graph) -> None:
    """Give nodes that share a name one of their own; ONNX Runtime refuses them otherwise."""
    taken: set[str] = set()
    for node in graph:
        name, number = node.name, len(taken)
        while name and name in taken:
            name, number = f"{node.name}.{number}", number + 1
        if name:
            taken.add(name)
            node.name = name
