"""Finds RotaryEmbedding operators whose inputs ONNX Runtime refuses to run.

    RotaryEmbedding(x [B, ...], cos [1, length, pairs], sin)     exporters write batch 1 here
    RotaryEmbedding(x [B, ...], cos, sin, position_ids [1, length])

The operator's specification wants one row for each batch row, in both cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE


@dataclass(frozen=True, eq=False)
class RotaryRepairSite(Site):
    """A RotaryEmbedding whose caches or positions have batch 1 where x has more.

    Attributes:
        narrow: Which inputs of the node have to be repeated.
    """

    narrow: tuple[int, ...]

    @property
    def form(self) -> str:
        """E.g. `caches of batch 1`."""
        return "positions of batch 1" if self.narrow == (3,) else "caches of batch 1"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The rotated tensor."""
        return frozenset(v for v in self.anchor.inputs[:1] if v is not None)


def find_rotary_repairs(graph: ir.Graph, facts: Facts) -> Iterator[RotaryRepairSite | Refusal]:
    """Yield every RotaryEmbedding that would not run as it is."""
    for node in anchors(graph):
        if node.op_type != "RotaryEmbedding" or node.domain:
            continue
        x, given = facts.shape(node.inputs[0]), len(node.inputs) > 3 and node.inputs[3] is not None
        if not x or x[0] == ONE:
            continue
        narrow = []
        for index in (3,) if given else (1, 2):
            shape = facts.shape(node.inputs[index])
            if shape and len(shape) == (2 if given else 3) and shape[0] == ONE:
                narrow.append(index)
        if narrow:
            nodes, outputs = frozenset({node}), (node.outputs[0],)
            yield RotaryRepairSite(node, nodes, outputs, narrow=tuple(narrow))
