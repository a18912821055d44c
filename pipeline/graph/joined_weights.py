"""Weights that lowerings join become weights of their own, put together when they are written."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def store_joined_weights(graph: ir.Graph) -> None:
    """Replace each Concat of constants that a lowering made by one constant.

    No runtime then joins them again at every start. The numbers are read when the model is saved.
    """
    for node in list(graph):
        parts = [value.const_value for value in node.inputs if value is not None]
        if node.op_type != "Concat" or "pipeline.rule" not in node.metadata_props:
            continue
        tensors = [tensor for tensor in parts if tensor is not None]
        if len(tensors) != len(node.inputs) or any(v.is_graph_input() for v in node.inputs if v):
            continue
        made = _constant(node, tensors)
        ir.convenience.replace_all_uses_with(node.outputs[0], made)
        graph.remove(node, safe=True)
        graph.register_initializer(made)


def _constant(node: ir.Node, tensors: list[ir.TensorProtocol]) -> ir.Value:
    name, axis = node.outputs[0].name, node.attributes["axis"].as_int()
    sizes = [list(tensor.shape.numpy()) for tensor in tensors]
    whole = [*sizes[0]]
    whole[axis] = sum(size[axis] for size in sizes)
    lazy = ir.LazyTensor(
        lambda: ir.tensor(np.concatenate([t.numpy() for t in tensors], axis), name=name),
        dtype=tensors[0].dtype,
        shape=ir.Shape(whole),
        name=name,
    )
    kind = ir.TensorType(tensors[0].dtype)
    return ir.Value(name=name, shape=ir.Shape(whole), type=kind, const_value=lazy)
