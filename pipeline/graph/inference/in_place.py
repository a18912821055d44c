"""Which outputs of a graph are meant to be written into the memory of an input."""

from __future__ import annotations

import onnx_ir as ir

NEW_LENGTHS = 16  # the input of GroupQueryAttention with each row's number of new tokens


def writes_in_place(node: ir.Node) -> bool:
    """Return whether a node adds to a cache of fixed size.

    com.microsoft GroupQueryAttention does so where past and present are one buffer. Where they
    are two, it leaves zeros behind the positions it knows of. Lengths of the new tokens tell a
    cache of fixed size from one that grows: it takes them only over the first.
    """
    if node.op_type != "GroupQueryAttention" or node.domain != "com.microsoft":
        return False
    return len(node.inputs) > NEW_LENGTHS and node.inputs[NEW_LENGTHS] is not None


def in_place_pairs(graph: ir.Graph) -> dict[str, str]:
    """Return the inputs, by output, whose buffer the output shares: caches of fixed size."""
    pairs: dict[str, str] = {}
    for node in filter(writes_in_place, graph):
        for past, present in zip(node.inputs[3:5], node.outputs[1:3], strict=False):
            if past is not None and past.is_graph_input() and present.is_graph_output():
                pairs[str(present.name)] = str(past.name)
    return pairs
