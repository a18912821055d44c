"""Residual sum and norm in one operator of ONNX Runtime.

    norm(a + b [+ bias])  ->  SkipLayerNormalization(a, b, weight, beta, bias)
                          ->  SkipSimplifiedLayerNormalization(a, b, weight, bias)

Source: ONNX Runtime contrib operators of these names; their fourth output is the sum.
Exact: rounding only.
Applies when: both streams have one shape of rank 2 or 3. SkipLayerNormalization is for CUDA only:
on CPU it is 2 to 5 times slower than Add and LayerNormalization.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.ort.residual_norm.find import ResidualNormSite
from pipeline.fusion.refusal import Kind, Refusal, Step
from pipeline.graph.rewriting.emit import Emitter

_DOCS = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"
KERNEL = Step(2, 3)  # whether it is fast and takes the type
_SLOW = "SkipLayerNormalization is 2 to 5 times slower than Add and LayerNormalization here"
_TYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


@dataclass(frozen=True)
class FuseSkipLayerNorm:
    """Lowers residual + LayerNorm for ONNX Runtime's CUDA provider.

    Attributes:
        fuse_all: Also emit it for the CPU, where it measures slower.
    """

    fuse_all: bool = False
    target: str = "ort-cuda"
    name: str = "fuse_skip_layer_norm"
    targets: frozenset[str] = frozenset({"ort-cpu", "ort-cuda"})
    opset: int = 17
    source: str = f"{_DOCS}#com.microsoft.SkipLayerNormalization"
    exact: Exactness = "rounding"

    def lower(self, site: ResidualNormSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the norm and the sum; None for the other norm."""
        if not site.centred:
            return None
        if self.target == "ort-cpu" and not self.fuse_all:
            return _refused(site, _SLOW, Kind.LEFT_PLAIN, "--fuse-all fuses it all the same")
        inputs = [site.left, site.right, site.weight, site.beta, site.bias]
        return _skip(site, emit, "SkipLayerNormalization", inputs)


@dataclass(frozen=True)
class FuseSkipRmsNorm:
    """Lowers residual + RMSNorm for ONNX Runtime."""

    name: str = "fuse_skip_rms_norm"
    targets: frozenset[str] = frozenset({"ort-cpu", "ort-cuda"})
    opset: int = 17
    source: str = f"{_DOCS}#com.microsoft.SkipSimplifiedLayerNormalization"
    exact: Exactness = "rounding"

    def lower(self, site: ResidualNormSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the norm and the sum; None for the other norm."""
        if site.centred:
            return None
        inputs = [site.left, site.right, site.weight, site.bias]
        return _skip(site, emit, "SkipSimplifiedLayerNormalization", inputs)


def _skip(
    site: ResidualNormSite, emit: Emitter, op: str, inputs: list[ir.Value | None]
) -> tuple[ir.Value, ...] | Refusal:
    kind = emit.facts.dtype(site.left)
    if kind not in _TYPES:
        return _refused(site, f"the kernels of {op} do not take {kind}", Kind.UNSUPPORTED)
    attrs = {"epsilon": site.epsilon}
    outputs = emit.op(op, inputs, attrs, domain="com.microsoft", outputs=4)
    for unused in outputs[1:3]:
        unused.name = ""
    return outputs[0], outputs[3]


def _refused(site: ResidualNormSite, reason: str, kind: Kind, remedy: str = "") -> Refusal:
    return Refusal(site.anchor, site.form, KERNEL, reason, site.anchor, remedy, kind)
