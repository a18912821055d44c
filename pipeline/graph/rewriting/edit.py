"""Edits of a graph: values taken over, what is unused removed, names told apart."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter


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
    return value.is_graph_output() or bool(value.uses())


def drop_unused(model: ir.Model) -> bool:
    """Remove nodes, weights and optional outputs nobody reads; return whether there were any."""
    modified: bool = RemoveUnusedNodesPass()(model).modified
    for graph in model.graph.subgraphs():  # whose weights that pass leaves
        for name, value in list(graph.initializers.items()):
            if not _used(value) and not value.is_graph_input():
                del graph.initializers[name]
                modified = True
    return modified


def name_apart(graph: ir.Graph) -> None:
    """Give nodes that share a name one of their own; ONNX Runtime refuses them otherwise.

    onnx-ir's NameFixPass also names outputs that are left out on purpose, which asks for them.
    """
    taken: set[str] = set()
    for node in graph:
        name, number = node.name, len(taken)
        while name and name in taken:
            name, number = f"{node.name}.{number}", number + 1
        if name:
            taken.add(name)
            node.name = name
