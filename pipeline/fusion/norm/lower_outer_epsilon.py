"""Layer norm with its epsilon outside the root  ->  LayerNormalization and a correction per row.

    (x - mean(x)) / (std(x) + eps) * w + b
        ->  y, _, inv = LayerNormalization(x, w, epsilon=0+);  y / (1 + eps * inv) + b

Source: ONNX LayerNormalization (opset 17), whose third output is 1 / std(x).
Exact: rounding only. The operator's own epsilon is too small to count beside eps: a row without
any spread is 0 / eps here as there.
Applies when: the target has the operator's further outputs. TensorRT's parser does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.norm.lower_parts import moved_back, normalised_last, vector
from pipeline.fusion.norm.site import NormSite
from pipeline.fusion.refusal import RIGHT, Kind, Refusal
from pipeline.graph.rewriting.emit import Emitter
from pipeline.types import TARGETS

TENSORRT = frozenset({"tensorrt", "tensorrt-rtx"})
SMALLEST = 1e-37  # still a normal number in float32


@dataclass(frozen=True)
class FuseLayerNormOuterEpsilon:
    """Lowers `(x - mean) / (std + eps)` for every target with LayerNormalization's outputs."""

    name: str = "fuse_layer_norm_outer_epsilon"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 17
    source: str = "https://onnx.ai/onnx/operators/onnx__LayerNormalization.html"
    exact: Exactness = "rounding"
    target: str = "ort-cpu"

    def lower(self, site: NormSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the normalised tensor; None for other norms."""
        if not site.centred or not site.outer_epsilon:
            return None
        if self.target in TENSORRT:
            reason = (
                f"epsilon ({site.outer_epsilon:.3g}) is added after the square root, and TensorRT's"
                " parser takes no LayerNormalization with the outputs that this needs"
            )
            remedy = "add epsilon to the variance, inside the root"
            return Refusal(site.anchor, "LayerNorm", RIGHT, reason, remedy=remedy,
                           kind=Kind.UNSUPPORTED)  # fmt: skip
        x = normalised_last(site, emit)
        weight = vector(site, site.weight, emit)
        # beside outer_epsilon, the root of this is below float32's resolution
        inner = max((site.outer_epsilon * 1e-8) ** 2, SMALLEST)
        attrs = {"axis": -len(site.axes), "epsilon": inner, "stash_type": 1}
        y, _, inverse = emit.op("LayerNormalization", [x, weight], attrs, outputs=3)
        divisor = emit.one("Mul", [inverse, np.asarray(site.outer_epsilon, np.float32)])
        divisor = emit.one("Add", [divisor, np.asarray(1.0, np.float32)])
        kind = emit.facts.dtype(site.x)
        if kind is not None and kind != ir.DataType.FLOAT:
            divisor = emit.one("Cast", [divisor], {"to": kind.value})
        result = emit.one("Div", [y, divisor])
        if not site.bias.is_zero:
            result = emit.one("Add", [result, vector(site, site.bias, emit)])
        return (moved_back(site, emit, result),)
