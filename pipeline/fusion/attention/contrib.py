"""Finds attentions that are operators of com.microsoft already, so that reports count them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.operators import ATTENTIONS

_OPERATORS = frozenset(
    ATTENTIONS
    | {"PackedAttention", "PackedMultiHeadAttention", "DecoderMaskedMultiHeadAttention"}
    | {"QAttention"}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ContribAttentionSite(Site):
    """An attention operator of com.microsoft in the graph as it came, which the target keeps."""

    name: str
    heads: int

    @property
    def form(self) -> str:
        """E.g. `MultiHeadAttention, 12 heads`."""
        return f"{self.name}, {self.heads} heads"

    @property
    def native(self) -> bool:
        """There is nothing to lower."""
        return True


def find_contrib_attention(
    graph: ir.Graph, facts: Facts
) -> Iterator[ContribAttentionSite | Refusal]:
    """Yield every attention operator of com.microsoft; run before ours are written."""
    for node in anchors(graph):
        if node.domain == "com.microsoft" and node.op_type in _OPERATORS:
            heads = node.attributes.get_int("num_heads", 0)
            nodes, outputs = frozenset({node}), (node.outputs[0],)
            yield ContribAttentionSite(node, nodes, outputs, name=node.op_type, heads=heads)
