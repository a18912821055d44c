"""The written-out norm -> LayerNormalization or RMSNormalization, the standard operators.

    (x - mean(x)) / sqrt(var(x) + eps) * w + b  ->  LayerNormalization(x, w, b)
    x / sqrt(mean(x^2) + eps) * w               ->  RMSNormalization(x, w)

Source: ONNX LayerNormalization (opset 17) and RMSNormalization (opset 23).
Exact: rounding only; statistics are kept in float32 whatever the type of x.
Applies when: the recogniser filled the roles. A norm over an axis that is not among the last gets
a Transpose on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.norm.lower_parts import emit_norm
from pipeline.fusion.norm.site import NormSite
from pipeline.graph.rewriting.emit import Emitter
from pipeline.types import TARGETS


@dataclass(frozen=True)
class FuseLayerNorm:
    """Lowers LayerNorm for every target."""

    name: str = "fuse_layer_norm"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 17
    source: str = "https://onnx.ai/onnx/operators/onnx__LayerNormalization.html"
    exact: Exactness = "rounding"

    def lower(self, site: NormSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the normalised tensor; None for another norm."""
        if not site.centred or site.outer_epsilon:
            return None
        return (emit_norm(site, emit, "LayerNormalization"),)


@dataclass(frozen=True)
class FuseRmsNorm:
    """Lowers RMSNorm for every target."""

    name: str = "fuse_rms_norm"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__RMSNormalization.html"
    exact: Exactness = "rounding"

    def lower(self, site: NormSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the normalised tensor; None for the other norm."""
        return None if site.centred else (emit_norm(site, emit, "RMSNormalization"),)
