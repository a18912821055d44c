"""Compute equal things once, and drop what nobody reads."""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.inference.evaluate import is_deterministic
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.views.walks import bodies

Key = tuple[object, ...]
_OPTIONAL_OUTPUTS = frozenset(
    {"BatchNormalization", "Dropout", "LayerNormalization", "MaxPool", "Attention"}
)


def merge_equal(draft: Draft) -> int:
    """Merge nodes with the same operator, attributes and inputs."""
    return _merge(draft, draft.model.graph, {})


def _merge(draft: Draft, graph: ir.Graph, outer: dict[Key, ir.Node]) -> int:
    seen, count = dict(outer), 0
    for node in list(graph):
        inner = bodies(node)
        count += sum(_merge(draft, body, seen) for body in inner)
        if inner or not is_deterministic(node) or any(v.is_graph_output() for v in node.outputs):
            continue
        key = _key(node)
        first = seen.setdefault(key, node)
        if first is node or len(first.outputs) != len(node.outputs):
            continue
        for mine, other in zip(node.outputs, first.outputs, strict=True):
            ir.convenience.replace_all_uses_with(mine, other)
        graph.remove(node, safe=True)
        count += 1
    return count


def _key(node: ir.Node) -> Key:
    attributes = tuple(
        (name, id(a.value) if a.type == ir.AttributeType.TENSOR else repr(a.value))
        for name, a in sorted(node.attributes.items())
    )
    inputs = tuple(None if v is None else id(v) for v in node.inputs)
    return (node.domain, node.op_type, node.overload, inputs, attributes, len(node.outputs))


def drop_unused(draft: Draft) -> int:
    """Remove nodes, weights and optional outputs that nobody reads."""
    count = 0
    for graph in reversed(list(draft.graphs())):
        for node in reversed(list(graph)):
            used = [v.is_graph_output() or any(True for _ in v.uses()) for v in node.outputs]
            if not any(used):
                graph.remove(node, safe=True)
                count += 1
            elif node.op_type in _OPTIONAL_OUTPUTS and not node.domain:
                node.resize_outputs(max(i for i, u in enumerate(used) if u) + 1)
        for name, value in list(graph.initializers.items()):
            read = value.is_graph_output() or value.is_graph_input()
            if not read and not any(True for _ in value.uses()):
                del graph.initializers[name]
                count += 1
    return count
