"""Norms of com.microsoft in standard operators.

    SkipLayerNormalization(a, b, w, beta, bias)  ->  LayerNormalization(a + b + bias, w, beta)
    SkipSimplifiedLayerNormalization(a, b, w, bias)  ->  RMSNormalization(a + b + bias, w)
    EmbedLayerNormalization(ids, ...)  ->  LayerNormalization(words[ids] + positions[p] + ..., w, b)

Source: ContribOperators.md of ONNX Runtime. Exact: same numbers up to rounding.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.contrib.writer import (
    MS,
    Made,
    Writer,
    given,
    graph_of,
    integers,
    size_of,
)
from pipeline.graph.normalise.draft import Draft


def _skip_layer_norm(draft: Draft, node: ir.Node) -> Made | None:
    total = _sum(draft, node, 4)
    y = _layer_norm(draft, node, total, node.inputs[2], given(node, 3))
    return {0: y, 3: total}


def _skip_rms_norm(draft: Draft, node: ir.Node) -> Made | None:
    total = _sum(draft, node, 3)
    epsilon = node.attributes.get_float("epsilon", 1e-12)
    weighted: list[ir.Value | None] = [total, node.inputs[2]]
    y = draft.insert(node, "RMSNormalization", weighted, {"axis": -1, "epsilon": epsilon})
    return {0: y, 3: total}


def _rms_norm(draft: Draft, node: ir.Node) -> Made | None:
    if given(node, 2) is not None:
        return None
    attributes: dict[str, int | float | str | list[int]] = {
        "axis": node.attributes.get_int("axis", -1),
        "epsilon": node.attributes.get_float("epsilon", 1e-5),
    }
    return {0: draft.insert(node, "RMSNormalization", list(node.inputs[:2]), attributes)}


def _embed_layer_norm(draft: Draft, node: ir.Node) -> Made | None:
    ids, words, positions = node.inputs[0], node.inputs[2], node.inputs[3]
    assert ids is not None  # required by the schema
    at = given(node, 8)
    if at is None:
        at = _positions(draft, node, ids)
    total = draft.insert(
        node,
        "Add",
        [draft.insert(node, "Gather", [words, ids]), draft.insert(node, "Gather", [positions, at])],
    )
    segments, table = given(node, 1), given(node, 4)
    if segments is not None and table is not None:
        total = draft.insert(node, "Add", [total, draft.insert(node, "Gather", [table, segments])])
    made = {0: _layer_norm(draft, node, total, node.inputs[5], node.inputs[6]), 2: total}
    mask = given(node, 7)
    if mask is not None:
        axes = integers(draft, node, [1])
        counted = draft.insert(node, "ReduceSum", [mask, axes], {"keepdims": 0})
        made[1] = draft.insert(node, "Cast", [counted], {"to": int(ir.DataType.INT32)})
    return made


def _sum(draft: Draft, node: ir.Node, bias: int) -> ir.Value:
    total = draft.insert(node, "Add", list(node.inputs[:2]))
    extra = given(node, bias)
    return total if extra is None else draft.insert(node, "Add", [total, extra])


def _layer_norm(
    draft: Draft, node: ir.Node, x: ir.Value, weight: ir.Value | None, bias: ir.Value | None
) -> ir.Value:
    epsilon = node.attributes.get_float("epsilon", 1e-12)
    inputs = [x, weight] if bias is None else [x, weight, bias]
    return draft.insert(node, "LayerNormalization", inputs, {"axis": -1, "epsilon": epsilon})


def _positions(draft: Draft, node: ir.Node, ids: ir.Value) -> ir.Value:
    """Return 0 .. length - 1 as [1, length], which every row of ids shares."""
    graph = graph_of(node)
    zero, one = (draft.constant(graph, np.array(n, np.int64)) for n in (0, 1))
    none = integers(draft, node, [])
    length = draft.insert(node, "Reshape", [size_of(draft, node, ids, 1), none])
    line = draft.insert(node, "Range", [zero, length, one])
    return draft.insert(node, "Unsqueeze", [line, integers(draft, node, [0])])


NORMS: dict[tuple[str, str], Writer] = {
    (MS, "SkipLayerNormalization"): Writer(17, _skip_layer_norm),
    (MS, "SkipSimplifiedLayerNormalization"): Writer(23, _skip_rms_norm),
    ("", "SimplifiedLayerNormalization"): Writer(23, _rms_norm),
    (MS, "EmbedLayerNormalization"): Writer(17, _embed_layer_norm),
}
