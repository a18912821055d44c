"""Products and rotations of com.microsoft in standard operators.

    FusedMatMul(a, b)                ->  alpha * MatMul(a or its transpose, b or its transpose)
    RotaryEmbedding(x, ids, cos, sin) ->  RotaryEmbedding(x, cos, sin, ids) of ai.onnx

Source: ContribOperators.md of ONNX Runtime; its RotaryEmbedding ignores `scale`. Exact: same
numbers up to rounding.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.contrib.writer import (
    MS,
    Made,
    Writer,
    graph_of,
    integers,
    scalar_like,
    size_of,
)  # fmt: skip
from pipeline.graph.normalise.draft import Draft


def _fused_matmul(draft: Draft, node: ir.Node) -> Made | None:
    if node.attributes.get_int("transBatchA", 0) or node.attributes.get_int("transBatchB", 0):
        return None
    sides = [
        _turned(draft, node, index, node.attributes.get_int(name, 0))
        for index, name in enumerate(("transA", "transB"))
    ]
    if any(side is None for side in sides):
        return None
    y = draft.insert(node, "MatMul", sides)
    alpha = node.attributes.get_float("alpha", 1.0)
    if alpha != 1.0:
        y = draft.insert(node, "Mul", [y, scalar_like(draft, node, alpha, node.outputs[0])])
    return {0: y}


def _turned(draft: Draft, node: ir.Node, index: int, transpose: int) -> ir.Value | None:
    """Return an operand, transposed in its last two axes if asked for; None of unknown rank."""
    value = node.inputs[index]
    if not transpose:
        return value
    shape = draft.facts.shape(value)
    if shape is None:
        return None
    if len(shape) < 2:  # a vector has nothing to transpose
        return value
    order = [*range(len(shape))]
    order[-2:] = reversed(order[-2:])
    return draft.insert(node, "Transpose", [value], {"perm": order})


def _rotary(draft: Draft, node: ir.Node) -> Made | None:
    x, ids, cos, sin = node.inputs[:4]
    assert x is not None  # required by the schema, like the others
    assert ids is not None
    shape, at, table = (draft.facts.shape(v) for v in (x, ids, cos))
    if shape is None or at is None or table is None:
        return None
    if node.attributes.get_int("is_packed_batching", 0):
        return None
    heads = node.attributes.get_int("num_heads", 0)
    if len(shape) == 3 and not heads:
        width, half = shape[-1].const, table[-1].const
        if width is None or not half:
            return None
        heads = width // (2 * half)
    if len(at) == 1:
        ids = _counted(draft, node, x, ids, 1 if len(shape) == 3 else 2)
    attributes: dict[str, int | float | str | list[int]] = {
        "interleaved": node.attributes.get_int("interleaved", 0),
        "num_heads": heads if len(shape) == 3 else 0,
        "rotary_embedding_dim": 2 * (table[-1].const or 0),
    }
    if not table[-1].const:
        return None
    return {0: draft.insert(node, "RotaryEmbedding", [x, cos, sin, ids], attributes)}


def _counted(draft: Draft, node: ir.Node, x: ir.Value, start: ir.Value, axis: int) -> ir.Value:
    """Return the positions [batch, length] of a text that begins at `start` in every row."""
    zero, one = (draft.constant(graph_of(node), np.array(n, np.int64)) for n in (0, 1))
    none = integers(draft, node, [])
    batch, length = size_of(draft, node, x, 0), size_of(draft, node, x, axis)
    scalar = draft.insert(node, "Reshape", [length, none])
    line = draft.insert(node, "Range", [zero, scalar, one])
    places = draft.insert(node, "Add", [line, start])
    both = draft.insert(node, "Concat", [batch, length], {"axis": 0})
    return draft.insert(node, "Expand", [places, both])


PRODUCTS: dict[tuple[str, str], Writer] = {
    (MS, "FusedMatMul"): Writer(13, _fused_matmul),
    (MS, "RotaryEmbedding"): Writer(23, _rotary),
}
