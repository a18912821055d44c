"""Recognises attention in place whose queries and keys are rotated right before it.

    GroupQueryAttention(RotaryEmbedding(q, cos, sin), RotaryEmbedding(k, cos, sin), v, ...)

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
from pipeline.graph.rewriting.equal import made_alike


@dataclass(frozen=True, eq=False)
class RotaryAttentionSite(Site):
    """An attention and the rotations in front of it; the outputs are the attention's own.

    Attributes:
        query, key: What is rotated, [batch, rows, heads * size].
        cos, sin: One row for each token, [batch, rows, width / 2].
        width: How many columns of each head turn.
        interleaved: Whether neighbouring columns make a pair, else halves do.
    """

    query: ir.Value
    key: ir.Value
    cos: ir.Value
    sin: ir.Value
    width: int
    interleaved: bool

    @property
    def form(self) -> str:
        """Width and pairing."""
        return f"{self.width} columns, {'neighbours' if self.interleaved else 'halves'}"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """Queries, keys, values, the cache; angles are recomputed from the positions."""
        rest = (value for value in self.anchor.inputs[2:5] if value is not None)
        return frozenset({self.query, self.key, *rest})


def find_rotary_attention(graph: ir.Graph, facts: Facts) -> Iterator[RotaryAttentionSite]:
    """Yield every attention in place whose queries and keys alone are rotated alike."""
    for node in anchors(graph):
        if not writes_in_place(node) or node.attributes.get_int("do_rotary"):
            continue
        turns = [_rotation(value, node) for value in node.inputs[:2]]
        site = _site(node, turns[0], turns[1], facts)
        if site is not None:
            yield site


def _site(
    node: ir.Node, query: ir.Node | None, key: ir.Node | None, facts: Facts
) -> RotaryAttentionSite | None:
    if query is None or key is None or not all(map(made_alike, query.inputs[1:], key.inputs[1:])):
        return None
    x, other, cos, sin = query.inputs[0], key.inputs[0], *query.inputs[1:3]
    shape = facts.shape(cos)
    if x is None or other is None or cos is None or sin is None or not shape or len(shape) != 3:
        return None
    counts = [node.attributes.get_int(name, 0) for name in ("num_heads", "kv_num_heads")]
    if [turn.attributes.get_int("num_heads", 0) for turn in (query, key)] != counts:
        return None
    kinds = {turn.attributes.get_int("interleaved", 0) for turn in (query, key)}
    width = shape[2].const
    if len(kinds) > 1 or not width:
        return None
    return RotaryAttentionSite(
        node, frozenset({node, query, key}), tuple(node.outputs),
        evidence=frozenset({cos, sin}), query=x, key=other, cos=cos, sin=sin,
        width=2 * width, interleaved=bool(kinds.pop()),
    )  # fmt: skip


def _rotation(value: ir.Value | None, reader: ir.Node) -> ir.Node | None:
    """Return the RotaryEmbedding of rank 3 by given angles that only this reader reads."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "RotaryEmbedding" or node.domain or len(node.inputs) != 3:
        return None
    alone = set(node.outputs[0].consumers()) == {reader} and not node.outputs[0].is_graph_output()
    return node if alone and node.attributes.get_int("num_heads") else None
