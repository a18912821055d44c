"""Recognises a norm of a sum of two streams: residual + norm, with an optional bias.

    s = a + b [+ bias];  y = norm(s)        s is often needed again, as the next residual

Anchor: a norm operator over the last axis (run after the norms themselves are operators).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts

_CENTRED = {
    "LayerNormalization": True,
    "RMSNormalization": False,
    "SimplifiedLayerNormalization": False,
}


@dataclass(frozen=True, eq=False)
class ResidualNormSite(Site):
    """A residual sum and its norm; the outputs are (norm, sum).

    Attributes:
        left, right: The two streams, of one shape [batch, length, hidden] or [rows, hidden].
        bias: [hidden], added as well, None when absent.
        weight, beta: The norm's own inputs; beta is None where the norm has none.
        centred: True for LayerNorm, False for RMSNorm.
        epsilon: The norm's.
    """

    left: ir.Value
    right: ir.Value
    bias: ir.Value | None
    weight: ir.Value
    beta: ir.Value | None
    centred: bool
    epsilon: float

    @property
    def form(self) -> str:
        """E.g. `residual + LayerNorm`."""
        name = "LayerNorm" if self.centred else "RMSNorm"
        return f"{'bias + ' if self.bias is not None else ''}residual + {name}"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The two streams."""
        return frozenset({self.left, self.right})


def find_residual_norms(graph: ir.Graph, facts: Facts) -> Iterator[ResidualNormSite | Refusal]:
    """Yield every norm operator of a sum of two tensors of one shape."""
    for node in anchors(graph):
        if node.domain or node.op_type not in _CENTRED:
            continue
        if len(node.outputs) > 1 and any(True for v in node.outputs[1:] for _ in v.uses()):
            continue
        x, weight = node.inputs[0], node.inputs[1]
        shape = facts.shape(x)
        axis = node.attributes.get_int("axis", -1)
        if x is None or weight is None or not shape or axis not in (-1, len(shape) - 1):
            continue
        add = x.producer()
        if len(shape) not in (2, 3) or facts.shape(weight) != shape[-1:]:
            continue
        streams = _streams(add, facts)
        if add is not None and streams is not None:
            yield _site(node, add, streams, weight)


def _streams(
    add: ir.Node | None, facts: Facts
) -> tuple[ir.Value, ir.Value, ir.Value | None, ir.Node | None] | None:
    """Return (left, right, bias, the node that adds the bias) of a residual sum."""
    if add is None or add.op_type != "Add" or add.domain:
        return None
    left, right = add.inputs
    if left is None or right is None or left is right:
        return None
    shape = facts.shape(left)
    if shape is None or facts.shape(right) != shape:
        return None
    for first, second in ((left, right), (right, left)):
        inner = first.producer()
        if inner is None or inner.op_type != "Add" or inner.domain or len(list(first.uses())) > 1:
            continue
        for stream, bias in (inner.inputs, inner.inputs[::-1]):
            known = stream is not None and bias is not None and not first.is_graph_output()
            if known and facts.shape(bias) == shape[-1:] and facts.shape(stream) == shape:
                assert stream is not None
                return stream, second, bias, inner
    return left, right, None, None


def _site(
    node: ir.Node,
    add: ir.Node,
    streams: tuple[ir.Value, ir.Value, ir.Value | None, ir.Node | None],
    weight: ir.Value,
) -> ResidualNormSite:
    left, right, bias, inner = streams
    centred = _CENTRED[node.op_type]
    nodes = {node, add} if inner is None else {node, add, inner}
    return ResidualNormSite(
        node,
        frozenset(nodes),
        (node.outputs[0], add.outputs[0]),
        left=left,
        right=right,
        bias=bias,
        weight=weight,
        beta=node.inputs[2] if centred and len(node.inputs) > 2 else None,
        centred=centred,
        epsilon=node.attributes.get_float("epsilon", 1e-5),
    )
