"""Equal computations are done once.

onnx-ir's CommonSubexpressionEliminationPass is not used: it looks at the main graph alone, merges
Bernoulli and a training Dropout, and cannot be told which nodes to leave apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from pipeline.graph.rewriting.emit import APART, RULE
from pipeline.graph.views.walks import bodies

Key = tuple[object, ...]
SMALL_BYTES = 256  # of tensors that are compared by what they hold


def merge_equal(
    graph: ir.Graph,
    mergeable: Callable[[ir.Node], bool],
    outer: Mapping[Key, ir.Node] | None = None,
) -> int:
    """Merge nodes with the same operator, attributes and inputs, also across bodies.

    Args:
        graph: Its nodes are sorted.
        mergeable: Whether a node may be one of them.
        outer: What the graphs around this one compute before it.

    Returns:
        How many nodes were removed.
    """
    seen, count = dict(outer or {}), 0
    for node in list(graph):
        inner = bodies(node)
        count += sum(merge_equal(body, mergeable, seen) for body in inner)
        if inner or not mergeable(node):
            continue
        key = (*_kind(node), *(None if x is None else id(x) for x in node.inputs))
        first = seen.setdefault(key, node)
        if first is node or any(value.is_graph_output() for value in node.outputs):
            continue
        for mine, other in zip(node.outputs, first.outputs, strict=True):
            ir.convenience.replace_all_uses_with(mine, other)
        graph.remove(node, safe=True)
        count += 1
    return count


def made_by_lowering(node: ir.Node) -> bool:
    """Return whether lowerings made a node, perhaps more than once from the same inputs."""
    made = RULE in node.metadata_props and len(node.outputs) == 1
    return made and APART not in node.metadata_props


def made_alike(left: ir.Value | None, right: ir.Value | None) -> bool:
    """Return whether merging what lowerings made will make one value of two."""
    if left is right or left is None or right is None:
        return left is right
    first, second = left.producer(), right.producer()
    if first is None or second is None:
        return False
    if not (made_by_lowering(first) and made_by_lowering(second)):
        return False
    if _kind(first) != _kind(second):
        return False
    return all(map(made_alike, first.inputs, second.inputs))


def content(tensor: ir.TensorProtocol) -> Key:
    """Return what is equal for equal small tensors, and for others only for the same tensor."""
    if tensor.nbytes > SMALL_BYTES or tensor.dtype == ir.DataType.STRING:
        return (id(tensor),)
    return (tensor.dtype, tuple(int(d) for d in tensor.shape.numpy()), tensor.tobytes())


def _kind(node: ir.Node) -> Key:
    """Return all of a node but which values it reads."""
    attributes = tuple(
        (name, content(a.as_tensor()) if a.type == ir.AttributeType.TENSOR else repr(a.value))
        for name, a in sorted(node.attributes.items())
    )
    counts = len(node.inputs), len(node.outputs)
    return (node.domain, node.op_type, node.overload, attributes, *counts)
