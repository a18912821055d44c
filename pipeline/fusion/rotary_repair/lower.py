"""RotaryEmbedding(x, cos [1, ...], sin [1, ...])  ->  RotaryEmbedding(x, cos [B, ...], sin).

Source: ONNX RotaryEmbedding, opset 23: caches are [batch, length, pairs].
Exact: bitwise; the operator reads the same numbers.
Applies when: caches or position ids have batch 1 where x has not, which torch's exporter writes
and ONNX Runtime refuses at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.rotary.lower_parts import per_batch_row
from pipeline.fusion.rotary_repair.find import RotaryRepairSite
from pipeline.graph.rewriting.emit import Emitter
from pipeline.types import TARGETS


@dataclass(frozen=True)
class RepairRotaryBatch:
    """Repeats the caches for each batch row, for every target."""

    name: str = "repair_rotary_batch"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html"
    exact: Exactness = "bitwise"

    def lower(self, site: RotaryRepairSite, emit: Emitter) -> tuple[ir.Value, ...]:
        """Return the output of the same operator with full inputs."""
        node, inputs = site.anchor, list(site.anchor.inputs)
        x = inputs[0]
        assert x is not None  # RotaryEmbedding has no optional first input
        for index in site.narrow:
            value = inputs[index]
            assert value is not None
            inputs[index] = per_batch_row(value, x, emit)
        attrs = {name: attribute.value for name, attribute in node.attributes.items()}
        return (emit.one("RotaryEmbedding", inputs, attrs),)
