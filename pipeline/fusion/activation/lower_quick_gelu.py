"""x * sigmoid(alpha * x)  ->  com.microsoft QuickGelu(x, alpha); SiLU is alpha = 1.

Source: ONNX Runtime contrib operator QuickGelu.
Exact: rounding only.
Applies when: the target is ONNX Runtime; on its CPU 2.0 to 2.4 times faster than Sigmoid and Mul.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.activation.find import ActivationSite
from pipeline.fusion.activation.lower_parts import finished
from pipeline.fusion.lowering import Exactness
from pipeline.graph.rewriting.emit import Emitter

_DOCS = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"


@dataclass(frozen=True)
class FuseQuickGelu:
    """Lowers SiLU and quick GELU for ONNX Runtime."""

    name: str = "fuse_quick_gelu"
    targets: frozenset[str] = frozenset({"ort-cpu", "ort-cuda"})
    opset: int = 13
    source: str = f"{_DOCS}#com.microsoft.QuickGelu"
    exact: Exactness = "rounding"

    def lower(self, site: ActivationSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the activation, times what it gates; None for another kind."""
        if site.kind != "swish":
            return None
        attrs = {"alpha": site.alpha}
        result = emit.one("QuickGelu", [site.x], attrs, domain="com.microsoft")
        return (finished(site, emit, result),)
