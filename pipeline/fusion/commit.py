"""Commits a replacement: the new nodes go in, take over the site's outputs, and what died goes."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.edit import register, remove_dead, take_over
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import LayoutError, shape_operand
from pipeline.graph.views.walks import border_above


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
            first = node.attributes.get_int("start", 0)
            last = node.attributes.get_int("end", len(dims))
            try:
                new = shape_operand(emit, dims[first:last], *_upstream(value, site, replaced))
            except LayoutError:
                continue
            found.append((node, new))
    return found


def _upstream(value: ir.Value, site: Site, replaced: Sequence[ir.Value]) -> list[ir.Value]:
    """Return the values from outside the site that a value of it is computed from."""
    return border_above(value, lambda x: x in replaced or x.producer() in site.nodes)
