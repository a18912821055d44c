"""Committing a replacement to a graph, and removing what it made dead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx_ir as ir

from pipeline.graph.emit import Emitter
from pipeline.graph.facts import Facts
from pipeline.graph.relayout import LayoutError, shape_operand
from pipeline.graph.sites import Site
from pipeline.graph.upstream import border_above


def commit(
    graph: ir.Graph, site: Site, result: Sequence[ir.Value], emit: Emitter, facts: Facts
) -> bool:
    """Put the replacement nodes in and let them take over the site's outputs.

    Names of graph outputs move to the new values; nodes of the site that nobody needs any more
    are removed together with what only they needed. Call `sort` after the last commit.

    Returns:
        False, with the graph left as it was, where an operand of the replacement is computed
        from another of the site's outputs (a mask from the keys of a cache): it would wait
        for itself.
    """
    position = site.outputs[0].producer()
    assert position is not None
    replaced = [old for old, new in zip(site.outputs, result, strict=True) if old is not new]
    sizes = _sizes_elsewhere(site, replaced, emit)
    if len(replaced) > 1 and _waits_for_itself(site, replaced, emit, {node for node, _ in sizes}):
        return False
    register(graph, emit)
    graph.insert_before(position, emit.nodes)
    for node, new in sizes:
        ir.convenience.replace_all_uses_with(node.outputs[0], new)
    for old, new in zip(site.outputs, result, strict=True):
        take_over(graph, old, new, facts)
    remove_dead(graph, [*(node for node, _ in sizes), *site.nodes])
    return True


def _waits_for_itself(
    site: Site, replaced: Sequence[ir.Value], emit: Emitter, redirected: set[ir.Node]
) -> bool:
    """Whether what the new nodes read leads back to an output that they replace."""
    seen = {*redirected, *emit.nodes}
    todo = [x for node in emit.nodes for x in node.inputs if x is not None]
    while todo:
        value = todo.pop()
        node = value.producer()
        if value in replaced:
            return True
        if node is not None and node not in seen and value not in site.operands:
            seen.add(node)
            todo += [x for x in node.inputs if x is not None]
    return False


def _sizes_elsewhere(
    site: Site, replaced: Sequence[ir.Value], emit: Emitter
) -> list[tuple[ir.Node, ir.Value]]:
    """Compute from other values what Shape nodes read off values that are about to disappear.

    The other values are upstream of the one that disappears: what reads the size may itself be
    an operand of the replacement (a mask cut to the size of the scores), so that reading it off
    the result would close a circle.
    """
    found = []
    inner = [value for node in site.nodes for value in node.outputs if value not in site.outputs]
    for value in (*inner, *(replaced if len(replaced) > 1 else ())):
        for node in list(value.consumers()):
            dims = emit.facts.shape(value)
            if node.op_type != "Shape" or dims is None or node.outputs[0].is_graph_output():
                continue
            start, end = (node.attributes.get(key) for key in ("start", "end"))
            first = start.as_int() if start is not None else 0
            last = end.as_int() if end is not None else len(dims)
            try:
                new = shape_operand(emit, dims[first:last], *_upstream(value, site, replaced))
            except LayoutError:
                continue
            found.append((node, new))
    return found


def _upstream(value: ir.Value, site: Site, replaced: Sequence[ir.Value]) -> list[ir.Value]:
    """Return the values from outside the site that a value of it is computed from."""
    return border_above(value, lambda x: x in replaced or x.producer() in site.nodes)


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
