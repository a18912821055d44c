"""The roles of an attention while they are being filled, in the order in which that happens.

Views and axes here are in the factors of when they were filled; the frame of the attention says
what became of them since (`Frame.view`, `Frame.axis`, `Roles.settled`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from pipeline.fusion.attention.site import MaskStep
from pipeline.graph.views.frame import Frame
from pipeline.graph.views.view import Axis, View


@dataclass(frozen=True)
class Scores:
    """Queries times keys, as far as the walk to the softmax has come.

    Attributes:
        q, k: The operands of the product.
        view: The scores in the layout they have by now.
        rows, keys, size: The axes of the product: of queries alone, of keys alone, and the one
            it sums over.
        scale: The constant factor of the product.
        cap: The soft-cap, 0 when absent.
        row_scale: What the queries are multiplied by, or None.
        mask: Steps in the order they apply.
        gated: Whether scores are multiplied by zeros and ones that no bias has followed yet.
        sink: Extra logits per head, or None.
    """

    q: View
    k: View
    view: View
    rows: Axis
    keys: Axis
    size: Axis
    scale: float
    cap: float = 0.0
    row_scale: View | None = None
    mask: tuple[MaskStep, ...] = ()
    gated: bool = False
    sink: View | None = None


@dataclass(frozen=True)
class Roles:
    """All roles of one attention.

    Attributes:
        scores: What the softmax is taken of.
        zero_rows: Whether fully masked rows give zeros.
        v: The values.
        value_size: The axis that values have alone.
        weights: The probabilities where others read them, too, or None.
        out: The result, in the layout of the value that is replaced.
        result: That value.
        tail: The layout nodes behind the product with the values.
    """

    scores: Scores
    zero_rows: bool
    v: View
    value_size: Axis
    weights: View | None
    out: View
    result: ir.Value
    tail: tuple[ir.Node, ...]

    def settled(self, frame: Frame) -> Roles:
        """Return the roles in the factors the frame has by now."""

        def view(given: View | None) -> View | None:
            return None if given is None else frame.view(given)

        given = self.scores
        scores = replace(
            given,
            q=frame.view(given.q), k=frame.view(given.k), view=frame.view(given.view),
            rows=frame.axis(given.rows), keys=frame.axis(given.keys), size=frame.axis(given.size),
            row_scale=view(given.row_scale), sink=view(given.sink),
            mask=tuple(replace(step, view=view(step.view)) for step in given.mask),
        )  # fmt: skip
        return replace(
            self, scores=scores, v=frame.view(self.v), value_size=frame.axis(self.value_size),
            weights=view(self.weights), out=frame.view(self.out),
        )  # fmt: skip
