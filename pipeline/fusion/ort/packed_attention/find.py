"""Recognises attention in place whose queries, keys and values are products of one input.

    GroupQueryAttention(x Wq [+ bq], x Wk [+ bk], x Wv [+ bv], ...)     weights are constants

Anchor: a GroupQueryAttention that adds to a cache of fixed size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.inference.in_place import writes_in_place


@dataclass(frozen=True)
class _Projection:
    """x W [+ b]: its nodes, the last one first."""

    nodes: tuple[ir.Node, ...]
    x: ir.Value
    weight: ir.Value
    bias: ir.Value | None


@dataclass(frozen=True, eq=False)
class PackedAttentionSite(Site):
    """An attention and its three projections; the outputs are the attention's own.

    Attributes:
        x: [batch, rows, hidden].
        weights: Of queries, keys and values, [hidden, heads * size].
        biases: [heads * size] each, empty where there are none.
    """

    x: ir.Value
    weights: tuple[ir.Value, ...]
    biases: tuple[ir.Value, ...]

    @property
    def form(self) -> str:
        """Whether there are biases."""
        return f"3 projections{' and biases' if self.biases else ''}"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The input of the projections, and the cache."""
        caches = (value for value in self.anchor.inputs[3:5] if value is not None)
        return frozenset({self.x, *caches})


def find_packed_attention(graph: ir.Graph, facts: Facts) -> Iterator[PackedAttentionSite]:
    """Yield every attention in place whose three operands are products of one input."""
    for node in anchors(graph):
        if not writes_in_place(node):
            continue
        found = [_projection(value, node, facts) for value in node.inputs[:3]]
        parts = [part for part in found if part is not None]
        biases = tuple(part.bias for part in parts if part.bias is not None)
        if len(parts) < 3 or len({part.x for part in parts}) > 1 or len(biases) not in (0, 3):
            continue
        nodes = frozenset({node}.union(*(part.nodes for part in parts)))
        weights = tuple(part.weight for part in parts)
        yield PackedAttentionSite(
            node, nodes, tuple(node.outputs), x=parts[0].x, weights=weights, biases=biases
        )


def _projection(value: ir.Value | None, reader: ir.Node, facts: Facts) -> _Projection | None:
    """Return the product that only the reader reads."""
    node = _only_for(value, reader)
    added = node if node is not None and node.op_type == "Add" else None
    bias: ir.Value | None = None
    if added is not None:
        flat = [x for x in added.inputs if x is not None and _is_weight(x, 1, facts)]
        rest = [x for x in added.inputs if x not in flat]
        if len(flat) != 1 or len(rest) != 1:
            return None
        bias, node = flat[0], _only_for(rest[0], added)
    if node is None or node.op_type != "MatMul":
        return None
    x, weight = node.inputs
    shape = facts.shape(x)
    if x is None or shape is None or len(shape) != 3 or not _is_weight(weight, 2, facts):
        return None
    assert weight is not None
    width = (facts.shape(weight) or ())[-1:]
    if bias is not None and facts.shape(bias) != width:
        return None
    return _Projection((node,) if added is None else (added, node), x, weight, bias)


def _only_for(value: ir.Value | None, reader: ir.Node) -> ir.Node | None:
    """Return the node of ai.onnx that makes a value nobody else reads."""
    node = value.producer() if value is not None else None
    if value is None or node is None or node.domain or value.is_graph_output():
        return None
    return node if set(value.consumers()) == {reader} else None


def _is_weight(value: ir.Value | None, rank: int, facts: Facts) -> bool:
    """Whether the value is stored as it is read, which a quantized weight is not."""
    shape = facts.shape(value)
    known = value is not None and value.const_value is not None and not value.is_graph_input()
    return known and shape is not None and len(shape) == rank
