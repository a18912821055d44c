"""Moves DequantizeLinear behind the layout operators that read it.

    Reshape(DequantizeLinear(x))  ->  DequantizeLinear(Reshape(x))      x int8, one scale

Exact: bitwise; a layout moves numbers about, and one scale treats them all alike.

Why: from opset 21 on, ONNX Runtime (seen in 1.32 on x86) does this move itself by writing
quantisers with the attribute `output_dtype`, then turns int8 into uint8 without correcting it,
and refuses the graph. It leaves alone what is in this order already, what a QuantizeLinear
follows, and constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.edit import remove_dead, take_over
from pipeline.graph.rewriting.emit import Emitter, Shared

_LAYOUTS = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "MaxPool"})
RULE = "dequantize-last"


def dequantize_last(
    graph: ir.Graph, facts: Facts, sources: Sequence[ir.Value], shared: Shared
) -> int:
    """Move every such node of a graph whose nodes are sorted; return how many."""
    moved = 0
    for node in list(graph):
        dequantize = _before(node, facts)
        if dequantize is None:
            continue
        emit = Emitter(facts, node, RULE, sources, shared)
        integers = emit.one(node.op_type, [dequantize.inputs[0], *node.inputs[1:]], _kept(node))
        floats = emit.one("DequantizeLinear", [integers, *dequantize.inputs[1:]], _kept(dequantize))
        graph.insert_before(node, emit.nodes)
        take_over(graph, node.outputs[0], floats, facts)
        remove_dead(graph, [node])
        moved += 1
    return moved


def _before(node: ir.Node, facts: Facts) -> ir.Node | None:
    """Return the DequantizeLinear that the layout reads, None where nothing is to move."""
    if node.op_type not in _LAYOUTS or node.domain or len(node.outputs) != 1 or not node.inputs:
        return None
    source = node.inputs[0]
    dequantize = source.producer() if source is not None else None
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or dequantize.domain:
        return None
    users = [user.op_type for user in node.outputs[0].consumers()]
    if users and all(op == "QuantizeLinear" for op in users):
        return None
    shape = facts.shape(dequantize.inputs[1])
    one_scale = shape is not None and all(dim == 1 for dim in shape)
    computed = not facts.is_const(dequantize.inputs[0])
    return dequantize if one_scale and computed and _is_int8(dequantize, facts) else None


def _is_int8(dequantize: ir.Node, facts: Facts) -> bool:
    """Whether it reads int8; the zero point tells where operators of others come before."""
    kinds = {facts.dtype(dequantize.inputs[i]) for i in range(len(dequantize.inputs)) if i != 1}
    return ir.DataType.INT8 in kinds


def _kept(node: ir.Node) -> dict[str, object]:
    return {name: attribute.value for name, attribute in node.attributes.items()}
