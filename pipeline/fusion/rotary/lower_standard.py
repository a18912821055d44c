"""The written-out rotation  ->  RotaryEmbedding(x, cos, sin), the standard operator.

    x cos + rotate_half(x) sin  ->  RotaryEmbedding(x, cos[..., :r/2], sin[..., :r/2])

Source: ONNX RotaryEmbedding, opset 23.
Exact: rounding only.
Applies when: the recogniser filled the roles. cos and sin are given for every batch row, since
ONNX Runtime refuses caches of batch 1; heads behind the length go through the rank 3 form. So do
heads that were transposed before the length: ONNX Runtime's attention takes rank 3, and nothing is
transposed at all. TensorRT's takes rank 4, where the transposition stays in front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.rotary.find import RotarySite
from pipeline.fusion.rotary.lower_parts import per_batch_row
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout
from pipeline.graph.sizes.dims import ONE
from pipeline.graph.views.view import Axes, View, axis_size
from pipeline.types import TARGETS


@dataclass(frozen=True)
class FuseRotary:
    """Lowers rotary embeddings for every target.

    Attributes:
        target: The target.
    """

    target: str = "ort-cpu"
    name: str = "fuse_rotary"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html"
    exact: Exactness = "rounding"

    def lower(self, site: RotarySite, emit: Emitter) -> tuple[ir.Value, ...]:
        """Return the rotated tensor, in the layout of x."""
        turn, x, view = site.rotation, site.x, self._projected(site)
        if view is not None:
            x = relayout(emit, view, _flat(view))
        cos, sin = (
            per_batch_row(_half(factor, columns, site, emit), x, emit)
            for factor, columns in ((site.cos, turn.cos_columns), (site.sin, turn.sin_columns))
        )
        sin = emit.one("Neg", [sin]) if turn.backward else sin
        attrs: dict[str, object] = {"interleaved": int(turn.interleaved)}
        if turn.width < turn.size:
            attrs["rotary_embedding_dim"] = turn.width
        kind = emit.facts.dtype(site.cos)
        if kind is not None and emit.facts.dtype(x) != kind:
            x = emit.one("Cast", [x], {"to": kind.value})
        if view is None:
            return (_turned(site, emit, [x, cos, sin], attrs),)
        attrs["num_heads"] = axis_size(view.axes[1]).const
        result = emit.one("RotaryEmbedding", [x, cos, sin], attrs)
        return (relayout(emit, View(result, _flat(view), _flat(view)), view.axes),)

    def _projected(self, site: RotarySite) -> View | None:
        """Return x as a view of what rank 3 takes, None where rank 4 is better or needed."""
        view = site.projected
        if view is None or self.target.startswith("tensorrt"):
            return None
        return view if axis_size(view.axes[1]).is_const else None


def _flat(view: View) -> Axes:
    """Return [batch, length, heads * size]."""
    batch, heads, length, size = view.axes
    return (batch, length, heads + size)


def _turned(
    site: RotarySite, emit: Emitter, inputs: list[ir.Value], attrs: dict[str, object]
) -> ir.Value:
    """Return x rotated in the layout it has."""
    x, cos, sin = inputs
    if site.head_axis is None:
        return emit.one("RotaryEmbedding", inputs, {**attrs, "num_heads": 1})
    if site.head_axis == 1:
        return emit.one("RotaryEmbedding", inputs, attrs)
    heads = (emit.facts.shape(x) or ())[2].const
    if heads is not None:
        x = emit.one("Reshape", [x, emit.ints([0, 0, -1])])
        result = emit.one("RotaryEmbedding", [x, cos, sin], {**attrs, "num_heads": heads})
        return emit.one("Reshape", [result, emit.ints([0, 0, heads, site.rotation.size])])
    x = emit.one("Transpose", [x], {"perm": [0, 2, 1, 3]})
    result = emit.one("RotaryEmbedding", [x, cos, sin], attrs)
    return emit.one("Transpose", [result], {"perm": [0, 2, 1, 3]})


def _half(factor: ir.Value, columns: tuple[int, ...], site: RotarySite, emit: Emitter) -> ir.Value:
    """Return [batch or 1, length, pairs]: one column for each pair, without the heads' axis."""
    shape = emit.facts.shape(factor) or ()
    step = columns[1] - columns[0] if len(columns) > 1 else 1
    stop = columns[0] + step * len(columns)
    if site.head_axis is not None and len(shape) >= 4 - site.head_axis:
        factor = _without_axis(factor, len(shape) - 4 + site.head_axis, emit)
    if step > 0 and columns == tuple(range(columns[0], stop, step)):
        if shape[-1] != len(columns):
            bounds = [emit.ints([n]) for n in (columns[0], stop, -1, step)]
            factor = emit.one("Slice", [factor, *bounds])
    else:
        factor = emit.one("Gather", [factor, np.asarray(columns, dtype=np.int64)], {"axis": -1})
    if len(emit.facts.shape(factor) or ()) == 2:
        factor = emit.one("Unsqueeze", [factor, emit.ints([0])])
    return factor


def _without_axis(factor: ir.Value, axis: int, emit: Emitter) -> ir.Value:
    """Return the factor without an axis of size 1, as it was before the axis was put in if so."""
    shape, node = emit.facts.shape(factor) or (), factor.producer()
    assert shape[axis] == ONE
    if node is not None and node.op_type == "Unsqueeze" and not node.domain:
        put_in, before = emit.facts.ints(node.inputs[1]), node.inputs[0]
        numbers = [dim.const for dim in put_in or ()]
        if before is not None and numbers in ([axis], [axis - len(shape)]):
            return before
    return emit.one("Squeeze", [factor, emit.ints([axis])])
