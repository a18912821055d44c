"""Finds norms that are operators already, so that reports count them with the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts

_NAMES = {
    "LayerNormalization": "LayerNorm",
    "RMSNormalization": "RMSNorm",
    "SimplifiedLayerNormalization": "RMSNorm",
    "SkipLayerNormalization": "residual + LayerNorm",
    "SkipSimplifiedLayerNormalization": "residual + RMSNorm",
    "EmbedLayerNormalization": "embedding + LayerNorm",
}


@dataclass(frozen=True, eq=False)
class NativeNormSite(Site):
    """A norm operator of the graph as it came."""

    name: str
    size: str

    @property
    def form(self) -> str:
        """E.g. `LayerNorm over 768`."""
        return f"{self.name} over {self.size}"

    @property
    def native(self) -> bool:
        """There is nothing to lower."""
        return True


def find_native_norms(graph: ir.Graph, facts: Facts) -> Iterator[NativeNormSite | Refusal]:
    """Yield every norm operator; run before written-out norms become operators."""
    for node in anchors(graph):
        if node.op_type in _NAMES:
            shape = facts.shape(node.outputs[0]) or ()
            axis = node.attributes.get_int("axis", -1)
            size = "x".join(str(d) for d in shape[axis:]) or "?"
            nodes, outputs = frozenset({node}), (node.outputs[0],)
            yield NativeNormSite(node, nodes, outputs, name=_NAMES[node.op_type], size=size)
