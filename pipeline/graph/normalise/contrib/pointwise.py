"""Activations of com.microsoft in standard operators.

    BiasGelu(x, b)   ->  Gelu(x + b)
    FastGelu(x, b)   ->  Gelu<tanh>(x + b)
    Gelu(x)          ->  Gelu(x)
    QuickGelu(x)     ->  x * Sigmoid(alpha * x)

Source: ContribOperators.md of ONNX Runtime. Exact: same numbers up to rounding.
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.normalise.contrib.writer import MS, Made, Writer, given, scalar_like
from pipeline.graph.normalise.draft import Draft


def _gelu(draft: Draft, node: ir.Node) -> Made | None:
    return {0: draft.insert(node, "Gelu", [_biased(draft, node)], {"approximate": "none"})}


def _fast_gelu(draft: Draft, node: ir.Node) -> Made | None:
    return {0: draft.insert(node, "Gelu", [_biased(draft, node)], {"approximate": "tanh"})}


def _quick_gelu(draft: Draft, node: ir.Node) -> Made | None:
    x = node.inputs[0]
    assert x is not None  # required by the schema
    alpha = scalar_like(draft, node, node.attributes.get_float("alpha", 1.702), x)
    gate = draft.insert(node, "Sigmoid", [draft.insert(node, "Mul", [x, alpha])])
    return {0: draft.insert(node, "Mul", [x, gate])}


def _biased(draft: Draft, node: ir.Node) -> ir.Value | None:
    bias = given(node, 1)
    return node.inputs[0] if bias is None else draft.insert(node, "Add", [node.inputs[0], bias])


POINTWISE: dict[tuple[str, str], Writer] = {
    (MS, "BiasGelu"): Writer(20, _gelu),
    (MS, "Gelu"): Writer(20, _gelu),
    (MS, "FastGelu"): Writer(20, _fast_gelu),
    (MS, "QuickGelu"): Writer(13, _quick_gelu),
}
