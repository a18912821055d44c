"""x W^T + b  ->  MatMulIntegerToFloat(round(x), codes, scales, b)      8 bits on both sides.

    q, s, z = DynamicQuantizeLinear(x)       q uint8, one scale and zero point for the tensor
    y = (q - z) codes^T * s * scales + b     codes int8, one scale for each of N

The standard has no operator for the second line; there it is MatMulInteger, Cast and Mul. Products
of one x share its rounding.

Source: ONNX DynamicQuantizeLinear and MatMulInteger; ONNX Runtime's MatMulIntegerToFloat.
Exact: lower precision.
Applies when: rounding x with a single scale errs less than `MOST_NOISE` of a typical row; a few
huge values in x push all others below one step, and then blocks are taken instead. Unsigned x by
signed weights is the fast kernel of x86; where that has no VNNI it saturates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.linear.forms import PER_ROW, Meaning, rounded
from pipeline.fusion.linear.site import LinearSite
from pipeline.fusion.lowering import Exactness
from pipeline.graph.rewriting.emit import Emitter

MOST_NOISE = 0.025


@dataclass(frozen=True)
class RoundBoth:
    """Lowers products to 8 bits on both sides, for ONNX Runtime's CPU or in standard operators."""

    name: str = "round_both"
    targets: frozenset[str] = frozenset({"ort-cpu", "onnx"})
    opset: int = 11
    source: str = "https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html"
    exact: Exactness = "lower precision"
    standard: bool = False

    def lower(self, site: LinearSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the product, None for heads and for inputs that one scale does not suit."""
        if site.head or site.noise is None or site.noise > MOST_NOISE:
            return None
        codes = rounded(site, PER_ROW)
        assert codes is not None  # a whole row needs no divisor
        matrix = emit.weight(np.ascontiguousarray(codes.codes.T))
        scales = emit.weight(codes.scales[:, 0])
        q, scale, zero = _quantized(site.x, emit)
        if not self.standard:
            inputs = [q, matrix, scale, scales, zero, None, site.bias]
            return (emit.one("MatMulIntegerToFloat", inputs, domain="com.microsoft"),)
        whole = emit.one("Cast", [emit.one("MatMulInteger", [q, matrix, zero])], {"to": 1})
        made = emit.one("Mul", [whole, emit.one("Mul", [scale, scales])])
        return (made if site.bias is None else emit.one("Add", [made, site.bias]),)

    def meaning(self, site: LinearSite) -> Meaning:
        """Return the rounded product, x being rounded as a whole."""
        codes = rounded(site, PER_ROW)
        assert codes is not None
        return Meaning(codes, site, None)


def _quantized(x: ir.Value, emit: Emitter) -> tuple[ir.Value, ...]:
    """Return x rounded with its scale and zero point, once for all who multiply it."""
    for node in x.consumers():
        if node.op_type == "DynamicQuantizeLinear" and not node.domain:
            return tuple(node.outputs)
    return emit.op("DynamicQuantizeLinear", [x], outputs=3)
