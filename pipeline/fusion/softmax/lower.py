"""exp(x - max(x)) / sum(exp(x - max(x)))  ->  Softmax(x), over the last axis for attention.

Source: ONNX Softmax, opset 13.
Exact: rounding only. Without the maximum the original overflows where Softmax does not.
Applies when: any softmax that is not yet the operator. Where a matrix product reads it, another
axis than the last gets a Transpose on both sides, so that attention knows one form.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.softmax.find import SoftmaxSite
from pipeline.graph.rewriting.emit import Emitter
from pipeline.types import TARGETS


@dataclass(frozen=True)
class FuseSoftmax:
    """Lowers softmax for every target, before attention is looked for."""

    name: str = "fuse_softmax"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 13
    source: str = "https://onnx.ai/onnx/operators/onnx__Softmax.html"
    exact: Exactness = "rounding"

    def lower(self, site: SoftmaxSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the probabilities, None for a scalar, which has none."""
        if site.axis == -1 or not site.product:
            return (emit.one("Softmax", [site.x], {"axis": site.axis}),)
        order = list(range(len(emit.facts.shape(site.x) or ())))
        if not -len(order) <= site.axis < len(order):
            return None  # a scalar has no axis to normalise over
        order[site.axis], order[-1] = order[-1], order[site.axis]
        moved = emit.one("Transpose", [site.x], {"perm": order})
        result = emit.one("Softmax", [moved], {"axis": -1})
        return (emit.one("Transpose", [result], {"perm": order}),)
