"""Recognises attention over a cache of fixed size that the step itself writes into.

    K = TensorScatter(past keys, k, written),  V = TensorScatter(past values, v, written)
    y = softmax(scale * q K^T, masked) V       the mask hides what is written after each token

Anchor: an ai.onnx Attention (run after attention is one operator). The caches are inputs and
outputs of the graph, so that a runtime may keep both in one buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.attention.native import native_site
from pipeline.fusion.attention.operands import Unmatched, operand_view
from pipeline.fusion.attention.site import AttentionSite
from pipeline.fusion.construct import anchors
from pipeline.fusion.ort.in_place.write_order import sees_no_later
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.view import View, axis_size


@dataclass(frozen=True, eq=False)
class InPlaceSite(Site):
    """An attention and the two writes into its cache; the outputs are (y, keys, values).

    Attributes:
        inner: The attention over the whole cache.
        key, value: Views of the new tokens' keys and values, [batch, heads, rows, size].
        past_key, past_value: The cache before the step, [batch, heads, capacity, size].
        written: Where each row's new tokens go, [batch].
        mask: Boolean, [batch or 1, heads or 1, rows, capacity].
        heads, kv_heads, size: Counts.
    """

    inner: AttentionSite
    key: View
    value: View
    past_key: ir.Value
    past_value: ir.Value
    written: ir.Value
    mask: ir.Value
    heads: int
    kv_heads: int
    size: int

    @property
    def form(self) -> str:
        """Heads and size."""
        return f"{self.heads}/{self.kv_heads} heads, size {self.size}, written in place"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """What the projections give, and the cache."""
        return frozenset(
            {self.inner.q.base, self.key.base, self.value.base, self.past_key, self.past_value}
        )


def find_attention_in_place(graph: ir.Graph, facts: Facts) -> Iterator[InPlaceSite]:
    """Yield every attention over keys and values just written into caches of fixed size."""
    for node in anchors(graph):
        if node.op_type == "Attention" and not node.domain:
            site = _site(node, facts)
            if site is not None:
                yield site


def _site(node: ir.Node, facts: Facts) -> InPlaceSite | None:
    if len(node.inputs) != 4:  # no cache of the operator's own
        return None
    q, k, v, mask = node.inputs
    keys, values = _write(k), _write(v)
    if q is None or mask is None or keys is None or values is None:
        return None
    past_key, key, written = keys.inputs
    past_value, value, also = values.inputs
    if key is None or value is None or past_key is None or past_value is None or written is None:
        return None
    if also is not written or not _fits(mask, q, key, past_key, facts):
        return None
    try:
        inner = native_site(node, facts)
        views = [operand_view(x, facts, scales=False)[0] for x in (key, value)]
    except Unmatched:
        return None
    heads, kv, size, wide = (
        axis_size(axis).const
        for axis in (inner.heads, inner.kv_heads, inner.size, inner.value_size)
    )
    if not heads or not kv or not size or size != wide or _is_special(inner):
        return None
    if not sees_no_later(mask, written, facts):
        return None
    return InPlaceSite(
        node, inner.nodes | {keys, values},
        (inner.outputs[0], keys.outputs[0], values.outputs[0]), evidence=frozenset({mask}),
        inner=inner, key=views[0], value=views[1], past_key=past_key, past_value=past_value,
        written=written, mask=mask, heads=heads, kv_heads=kv, size=size,
    )  # fmt: skip


def _write(value: ir.Value | None) -> ir.Node | None:
    """Return the TensorScatter along the length that makes a cache out of a cache."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "TensorScatter" or node.domain or len(node.inputs) != 3:
        return None
    past, mode = node.inputs[0], node.attributes.get_string("mode", "linear")
    if past is None or mode != "linear" or node.attributes.get_int("axis", -2) not in (-2, 2):
        return None
    return node if past.is_graph_input() and node.outputs[0].is_graph_output() else None


def _fits(mask: ir.Value, q: ir.Value, key: ir.Value, past: ir.Value, facts: Facts) -> bool:
    """Whether there is one query per new key, and the mask has rows and keys of its own."""
    shapes = [facts.shape(x) for x in (mask, q, key, past)]
    if any(shape is None or len(shape) != 4 for shape in shapes):
        return False
    wide, query, new, cache = ([Dim.of(d) for d in shape or ()] for shape in shapes)
    rows = query[2]
    return facts.dtype(mask) == ir.DataType.BOOL and new[2] == rows and wide[2:] == [rows, cache[2]]


def _is_special(site: AttentionSite) -> bool:
    """Whether the attention does more than scale, mask and average."""
    extras = (site.row_scale, site.sink, site.weights, site.cache)
    return site.causal or bool(site.cap) or site.scale == 0 or any(x is not None for x in extras)
