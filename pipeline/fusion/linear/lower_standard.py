"""x W^T + b  ->  MatMul(x, DequantizeLinear(codes, scales)) + b       W rounded in blocks along K.

Source: ONNX DequantizeLinear with `block_size`, opset 21.
Exact: lower precision. Weights are symmetric, signed, without a zero point: what TensorRT takes.
Applies when: standard operators are asked for, or TensorRT, which then keeps the weights narrow;
and a block of 16 or more divides K. The axis is written positive and W as [K, N], which is what
ONNX Runtime needs to run the pair as one product instead of widening W on every call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.linear.forms import Form, Meaning, cannot, rounded
from pipeline.fusion.linear.site import LinearSite
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.refusal import Refusal
from pipeline.graph.rewriting.emit import Emitter


@dataclass(frozen=True)
class RoundWeights:
    """Lowers products to weights rounded in blocks, in standard operators.

    Attributes:
        form: Bits and block of products.
        heads: The same of heads.
    """

    form: Form
    heads: Form
    name: str = "round_weights"
    targets: frozenset[str] = frozenset({"onnx", "tensorrt", "tensorrt-rtx"})
    opset: int = 21
    source: str = "https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html"
    exact: Exactness = "lower precision"

    def lower(self, site: LinearSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the product, or why K has no blocks."""
        codes = rounded(site, self.heads if site.head else self.form)
        if codes is None:
            return cannot(site)
        dtype = ir.DataType.INT4 if codes.bits == 4 else ir.DataType.INT8
        matrix = emit.weight(np.ascontiguousarray(codes.codes.T), dtype)
        scales = emit.weight(np.ascontiguousarray(codes.scales.T))
        attrs = {"axis": 0, "block_size": codes.block}
        wide = emit.one("DequantizeLinear", [matrix, scales], attrs)
        made = emit.one("MatMul", [site.x, wide])
        return (made if site.bias is None else emit.one("Add", [made, site.bias]),)

    def meaning(self, site: LinearSite) -> Meaning:
        """Return the rounded product; a runtime may round x in the blocks of the weights."""
        codes = rounded(site, self.heads if site.head else self.form)
        assert codes is not None  # or it would not have been lowered
        return Meaning(codes, site, codes.block)
