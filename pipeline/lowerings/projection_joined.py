"""x W1, x W2, x W3  ->  Split(x [W1 W2 W3]): one product instead of several small ones.

Source: ONNX MatMul and Split (opset 18).
Exact: rounding only.
Applies when: ONNX Runtime runs on a CPU and the matrices are small. A small product is not worth
two threads, so that one core reads its weights while the other waits. From some size on each
product keeps all threads busy by itself, and the matrices stay where they lie. Measured as part of
the whole in reports/decode.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.emit import Emitter
from pipeline.graph.recognise.projection import ProjectionSite
from pipeline.graph.sites import Refusal
from pipeline.lowerings.base import Exactness

MOST_ELEMENTS = 1 << 22  # of the joined matrix; 16 MB in float32


@dataclass(frozen=True)
class JoinProjections:
    """Joins the matrices that one tensor is multiplied with."""

    name: str = "join_projections"
    construct: str = "projection"
    targets: frozenset[str] = frozenset({"ort-cpu"})
    opset: int = 18
    source: str = "https://onnx.ai/onnx/operators/onnx__MatMul.html"
    exact: Exactness = "rounding"

    def lower(self, site: ProjectionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the products, cut out of the one."""
        if site.elements > MOST_ELEMENTS:
            reason = f"{site.elements} weights keep every thread busy without being joined"
            return Refusal("projection", site.anchor, "one product", 5, 5, reason, plain=True)
        joined = emit.one("Concat", site.weights, {"axis": 1})
        product = emit.one("MatMul", [site.x, joined])
        widths = emit.ints(site.widths)
        return emit.op("Split", [product, widths], {"axis": -1}, outputs=len(site.widths))
