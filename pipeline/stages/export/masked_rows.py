"""What attention gives a row that may look nowhere: zeros, as PyTorch does.

    Softmax(scores + Where(mask, 0, min)) ...   ->   Softmax(scores + Where(mask, 0, -inf)) ...
    P = Where(IsNaN(softmax), 0, softmax)            P = Where(IsNaN(softmax), 0, softmax)

torch's exporter writes the second line for scaled_dot_product_attention, so that a row of -inf
ends as zeros, but puts the smallest finite number in the first: such a row then gets the mean of
all values. PyTorch gives zeros, and so does the operator Attention.
Exact? Bitwise on every other row: exp of either is 0.
Applies when: the softmax is guarded by IsNaN, and the mask feeds nothing but such softmaxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

SMALLEST = (
    *(float(np.finfo(kind).min) for kind in (np.float16, np.float32, np.float64)),
    float(ml_dtypes.finfo(ml_dtypes.bfloat16).min),  # type: ignore[no-untyped-call]
)


def restore_masked_rows(model: ir.Model) -> int:
    """Put -inf where the exporter put the smallest number; return how many masks changed."""
    changed = 0
    for node in model.graph:
        if node.op_type == "Where" and _is_mask(node) and _only_guarded(node.outputs[0]):
            _put_infinity(model.graph, node)
            changed += 1
    return changed


def _is_mask(node: ir.Node) -> bool:
    """Return whether the node is Where(mask, 0, smallest number of its type)."""
    kept, masked = _scalar(node.inputs[1]), _scalar(node.inputs[2])
    if kept is None or masked is None or kept != 0:
        return False
    return float(masked) in SMALLEST


def _only_guarded(mask: ir.Value) -> bool:
    """Return whether the mask is added to scores of guarded softmaxes and used nowhere else."""
    adds = mask.consumers()
    softmaxes = [user for add in adds for user in add.outputs[0].consumers()]
    if mask.is_graph_output() or not softmaxes or any(add.op_type != "Add" for add in adds):
        return False
    return all(
        node.op_type == "Softmax"
        and any(user.op_type == "IsNaN" for user in node.outputs[0].consumers())
        for node in softmaxes
    )


def _scalar(value: ir.Value | None) -> np.generic | None:
    """Return the number a constant holds, None for anything else."""
    import onnx_ir as ir

    if value is None:
        return None
    tensor = ir.convenience.get_const_tensor(value)
    if tensor is None or tensor.size != 1:
        return None
    number: np.generic = tensor.numpy().reshape(-1)[0]
    return number


def _put_infinity(graph: ir.Graph, node: ir.Node) -> None:
    import onnx_ir as ir

    old = node.inputs[2]
    assert old is not None
    tensor = ir.convenience.get_const_tensor(old)
    assert tensor is not None
    name = f"{old.name}_inf"
    infinity = graph.initializers.get(name)
    if infinity is None:
        array = np.full(tensor.shape.numpy(), -np.inf, tensor.numpy().dtype)
        held = ir.tensor(array, dtype=tensor.dtype, name=name)
        infinity = ir.Value(name=name, const_value=held, type=ir.TensorType(held.dtype))
        infinity.shape = ir.Shape(array.shape)
        graph.register_initializer(infinity)
    node.replace_input_with(2, infinity)
