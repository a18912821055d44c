"""x W^T + b  ->  MatMulNBits(x, codes, scales, b)        W rounded in blocks along K.

Source: ONNX Runtime contrib operator MatMulNBits.
Exact: lower precision. Weights are symmetric: codes of 4 bits around 8, of 8 bits around 128. With
`accuracy_level` 4 the kernel also rounds x to 8 bits, with one scale per row and block.
Applies when: the target is ONNX Runtime's CPU, and a block of 16 or more divides K. Without
accuracy_level 4 the kernel widens 8-bit weights on every call: 8 times slower than float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.linear.codes import Codes
from pipeline.fusion.linear.forms import Form, Meaning, cannot, rounded
from pipeline.fusion.linear.site import LinearSite
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.refusal import Refusal
from pipeline.graph.rewriting.emit import Emitter

ACCURACY = 4
_DOCS = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"


@dataclass(frozen=True)
class RoundInBlocks:
    """Lowers products to weights rounded in blocks, for ONNX Runtime's CPU.

    Attributes:
        form: Bits and block of products.
        heads: The same of heads.
    """

    form: Form
    heads: Form
    name: str = "round_in_blocks"
    targets: frozenset[str] = frozenset({"ort-cpu"})
    opset: int = 21
    source: str = f"{_DOCS}#com.microsoft.MatMulNBits"
    exact: Exactness = "lower precision"

    def lower(self, site: LinearSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the product, or why K has no blocks."""
        codes = rounded(site, self.heads if site.head else self.form)
        if codes is None:
            return cannot(site)
        attrs = {
            "K": site.inner, "N": site.columns, "bits": codes.bits, "block_size": codes.block,
            "accuracy_level": ACCURACY,
        }  # fmt: skip
        scales = emit.weight(codes.scales)
        inputs = [site.x, emit.weight(packed(codes)), scales, None, None, site.bias]
        return (emit.one("MatMulNBits", inputs, attrs, domain="com.microsoft"),)

    def meaning(self, site: LinearSite) -> Meaning:
        """Return the rounded product, x being rounded in blocks."""
        codes = rounded(site, self.heads if site.head else self.form)
        assert codes is not None  # or it would not have been lowered
        return Meaning(codes, site, codes.block)


def packed(codes: Codes) -> np.ndarray:
    """Return codes as MatMulNBits stores them: unsigned, low bits first, [N, K / block, bytes]."""
    rows = len(codes.codes)
    whole = (codes.codes.astype(np.int16) + 2 ** (codes.bits - 1)).astype(np.uint8)
    if codes.bits == 4:
        whole = whole[:, ::2] | (whole[:, 1::2] << 4)
    blocks: np.ndarray = whole.reshape(rows, codes.scales.shape[1], -1)
    return blocks
