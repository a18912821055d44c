"""Gelu(x + b)  ->  BiasGelu(x, b), or FastGelu(x, b) for the tanh form.

Source: ONNX Runtime contrib operators BiasGelu and FastGelu.
Exact: rounding only.
Applies when: the target is ONNX Runtime's CUDA provider; on its CPU BiasGelu is 10 to 25 % slower
than Add and Gelu, and the Add mostly joins the MatMul.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.ort.bias_gelu.find import BiasGeluSite
from pipeline.graph.rewriting.emit import Emitter

_DOCS = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"


@dataclass(frozen=True)
class FuseBiasGelu:
    """Lowers bias + GELU for ONNX Runtime's CUDA provider."""

    name: str = "fuse_bias_gelu"
    targets: frozenset[str] = frozenset({"ort-cuda"})
    opset: int = 20
    source: str = f"{_DOCS}#com.microsoft.BiasGelu"
    exact: Exactness = "rounding"

    def lower(self, site: BiasGeluSite, emit: Emitter) -> tuple[ir.Value, ...]:
        """Return the activation."""
        op = "FastGelu" if site.tanh else "BiasGelu"
        return (emit.one(op, [site.x, site.bias], domain="com.microsoft"),)
