"""What every attention lowering needs: operands in one layout, one mask, the result put back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pipeline.fusion.attention.site import AttentionSite, MaskStep
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout, shape_operand
from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.views.view import Axes, Axis, View, axis_size

GROUP_QUERY = (
    "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"
    "#com.microsoft.GroupQueryAttention"
)


def packed(site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return queries, keys and values as [batch, length, heads * size]."""
    b, kv = site.batch, site.kv_heads
    return (
        relayout(emit, site.q, (b, site.rows, site.heads + site.size)),
        relayout(emit, site.k, (b, site.new_keys, kv + site.size)),
        relayout(emit, site.v, (b, site.new_keys, kv + site.value_size)),
    )


def per_head(site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return queries, keys and values as [batch, heads, length, size]."""
    b, kv = site.batch, site.kv_heads
    return (
        relayout(emit, site.q, (b, site.heads, site.rows, site.size)),
        relayout(emit, site.k, (b, kv, site.new_keys, site.size)),
        relayout(emit, site.v, (b, kv, site.new_keys, site.value_size)),
    )


def row_scaled(site: AttentionSite, emit: Emitter, query: ir.Value) -> ir.Value:
    """Return queries [batch, heads, rows, size] multiplied by the site's row scale, if any."""
    if site.row_scale is None:
        return query
    axes = _held_groups(site.row_scale, (site.batch, site.heads, site.rows, ()))
    return emit.one("Mul", [query, relayout(emit, site.row_scale, axes)])


def put_back(site: AttentionSite, emit: Emitter, result: ir.Value, axes: Axes) -> ir.Value:
    """Return the result, whose axes are `axes`, in the layout of the value it replaces."""
    return relayout(emit, View(result, axes, axes), site.out.axes)


def mask_and_guard(
    site: AttentionSite, emit: Emitter, kind: ir.DataType
) -> tuple[ir.Value | None, ir.Value | None]:
    """Return a float mask without infinities, and the mask that tells empty rows where needed.

    For runtimes that do not promise zeros for rows whose every key is masked by infinity.
    """
    if not site.zero_rows:
        return MaskBuilder(site, emit, kind, boolean=False, finite=True).build(), None
    builder = MaskBuilder(site, emit, kind, boolean=False, finite=False)
    raw = builder.build()
    if raw is None or not builder.infinite:
        return raw, None
    low = emit.const(np.asarray(lowest(kind), dtype=kind.numpy()))
    return emit.one("Max", [raw, low]), raw


def without_empty_rows(
    emit: Emitter, result: ir.Value, raw: ir.Value | None, kind: ir.DataType
) -> ir.Value:
    """Return zeros in rows whose every key is masked by infinity, the result elsewhere.

    Args:
        emit: Receives the nodes.
        result: [batch, heads, rows, value size].
        raw: The guard of `mask_and_guard`, [batch or 1, heads or 1, rows, keys], or None.
        kind: Its type.
    """
    if raw is None:
        return result
    top = emit.one("ReduceMax", [raw, emit.ints([3])], {"keepdims": 1})
    limit = emit.const(np.asarray(lowest(kind), dtype=kind.numpy()))
    zero = emit.const(np.asarray(0.0, dtype=kind.numpy()))
    return emit.one("Where", [emit.one("Less", [top, limit]), zero, result])


def lowest(kind: ir.DataType) -> float:
    """Return a mask value that drops a key and survives sums: just above the type's minimum.

    At the minimum itself ONNX Runtime's Attention takes a row for fully masked and returns zeros,
    where the written-out softmax averages.
    """
    return -6.0e4 if kind == ir.DataType.FLOAT16 else -3.38e38


DEEP = (-3.39e38, -6.2e4)  # at or below it a number counts as the minimum; it is below `lowest`


class MaskBuilder:
    """Builds the one mask of an attention from the steps between the scores and the softmax.

    Args:
        site: The attention.
        emit: Receives the nodes.
        kind: The type of a float mask, the queries'.
        boolean: The target takes boolean masks.
        finite: Fully masked rows average, so that no mask value may be minus infinity and none
            so low that a runtime takes the row for empty (see `lowest`).

    After `build`, `infinite` says whether the mask may hold minus infinity in the original.
    """

    def __init__(
        self, site: AttentionSite, emit: Emitter, kind: ir.DataType, *, boolean: bool, finite: bool
    ) -> None:
        self.site, self.emit, self.kind = site, emit, kind
        self.boolean, self.finite = boolean, finite
        self.axes: list[Axis] = [(), (), (), ()]
        self.infinite = False
        self.deep = 0  # masks that reach the type's minimum

    def build(self) -> ir.Value | None:
        """Return the mask as [batch or 1, heads or 1, rows, keys], or None without one."""
        steps = self.site.mask
        if not steps:
            return None
        keeps = [step for step in steps if step.kind == "keep"]
        drops = all(math.isinf(step.fill) for step in keeps)
        if self.boolean and len(keeps) == len(steps) and drops:
            return self._full(self._all(keeps))
        bias: ir.Value | None = None
        for step in steps:
            bias = self._apply(bias, step)
        assert bias is not None
        if not self.finite and self.deep > 1:
            bias = self._overflown(bias)
        return self._full(bias)

    def _overflown(self, bias: ir.Value) -> ir.Value:
        """Where several masks at the type's minimum meet, their sum is minus infinity again."""
        self.infinite = True
        limit = self._number(lowest(self.kind) * 0.999)
        over = self.emit.one("Less", [bias, limit])
        return self.emit.one("Where", [over, self._number(-math.inf), bias])

    def _level(self, bias: ir.Value) -> ir.Value:
        """Lift very low values of a bias so that sums of biases keep their order.

        Each of n biases may go down to 1/n of the lowest number; where a bias holds both minus
        infinity (two masks added) and the minimum, the minimum is lifted twice as far.
        """
        reached = lows(bias, self.kind, self.emit)
        self.infinite = self.infinite or "infinite" in reached
        self.deep += "finite" in reached
        if not reached or (reached == {"infinite"} and not self.finite):
            return bias
        floor = self._floor()
        if len(reached) == 1:
            return self.emit.one("Max", [bias, self._number(floor)])
        infinity = self._number(-math.inf)
        empty = self.emit.one("Equal", [bias, infinity])
        raised = self.emit.one("Max", [bias, self._number(floor / 2)])
        bottom = self._number(floor) if self.finite else infinity
        return self.emit.one("Where", [empty, bottom, raised])

    def _fill(self, fill: float) -> float:
        """Return what to add where scores were replaced by `fill`.

        Far below any score the sum is the fill itself. A fill is lowered that far, unless other
        masks fix how deep it lies among them.
        """
        if math.isinf(fill):
            self.infinite = True
            return self._floor() if self.finite else fill
        self.deep += fill <= DEEP[self.kind == ir.DataType.FLOAT16]
        alone = sum(step.kind != "scale" for step in self.site.mask) == 1
        return self._floor() if alone else max(fill, self._floor())

    def _floor(self) -> float:
        """Return the lowest value one bias may hold."""
        terms = sum(step.kind != "scale" for step in self.site.mask)
        growth = math.prod(max(abs(s.factor), 1.0) for s in self.site.mask if s.kind == "scale")
        return lowest(self.kind) / (terms * growth)

    def _apply(self, bias: ir.Value | None, step: MaskStep) -> ir.Value | None:
        emit = self.emit
        if step.kind == "scale":
            return None if bias is None else emit.one("Mul", [bias, self._number(step.factor)])
        value = self._term(step)
        if step.kind == "add":
            if emit.facts.dtype(value) != self.kind:
                value = emit.one("Cast", [value], {"to": self.kind.value})
            if step.factor != 1.0:
                value = emit.one("Mul", [value, self._number(step.factor)])
            value = self._level(value)
            return value if bias is None else emit.one("Add", [bias, value])
        fill = self._fill(step.fill)
        kept = self._number(0.0) if bias is None else bias
        dropped = self._number(fill)
        pair = [dropped, kept] if step.inverted else [kept, dropped]
        return emit.one("Where", [value, *pair])

    def _all(self, keeps: Sequence[MaskStep]) -> ir.Value:
        total: ir.Value | None = None
        for step in keeps:
            value = self._term(step)
            if step.inverted:
                value = self.emit.one("Not", [value])
            total = value if total is None else self.emit.one("And", [total, value])
        assert total is not None
        return total

    def _term(self, step: MaskStep) -> ir.Value:
        """Return a mask operand as rank 4, with axes of 1 where it does not vary."""
        assert step.view is not None
        site = self.site
        axes = _held_groups(step.view, (site.batch, site.heads, site.rows, site.keys))
        for i, axis in enumerate(axes):
            self.axes[i] = self.axes[i] or axis
        value = relayout(self.emit, step.view, axes)
        if step.kind == "keep" and self.emit.facts.dtype(value) != ir.DataType.BOOL:
            value = self.emit.one("Cast", [value], {"to": ir.DataType.BOOL.value})
        return value

    def _full(self, mask: ir.Value) -> ir.Value:
        """Repeat the mask along rows and keys: no runtime broadcasts it there."""
        rows, keys = self.site.rows, self.site.keys
        loose = any(step.loose for step in self.site.mask)
        if (self.axes[2] or not rows) and (self.axes[3] or not keys) and not loose:
            return mask
        sizes = [ONE, ONE, axis_size(rows), axis_size(keys)]
        shape = mask_shape(self.site, self.emit, sizes)
        return self.emit.one("Expand", [mask, shape])

    def _number(self, number: float) -> ir.Value:
        return self.emit.const(np.asarray(number, dtype=self.kind.numpy()))


def mask_shape(site: AttentionSite, emit: Emitter, sizes: Sequence[Dim]) -> ir.Value:
    """Return the sizes as an operand, read off queries and keys where they depend on inputs."""
    past = () if site.cache is None else (site.cache.past_key,)
    return shape_operand(emit, sizes, site.q.base, site.k.base, *past)


def _held_groups(view: View, groups: Sequence[Axis]) -> Axes:
    """Return each group whole where the view varies along any of its factors, else empty."""
    held = {factor for axis in view.source for factor in axis}
    return tuple(group if any(f in held for f in group) else () for group in groups)


def lows(value: ir.Value, kind: ir.DataType, emit: Emitter, depth: int = 12) -> set[str]:
    """Return which very low numbers a bias may hold: `finite` (about the minimum), `infinite`.

    They can only come from constants and inputs; products and gathers of weights hold none.
    """
    limit = DEEP[kind == ir.DataType.FLOAT16]
    if emit.facts.is_const(value):
        array = emit.facts.const(value)
        if array is None or not array.size or array.dtype.kind != "f":
            return set()
        low = array[array <= limit]
        found = {"infinite"} if np.isinf(low).any() else set()
        return found | ({"finite"} if np.isfinite(low).any() else set())
    node = value.producer()
    if node is None or depth == 0:
        return {"finite", "infinite"}
    if node.op_type in ("MatMul", "Gemm", "Einsum", "Conv", "Softmax", "Tanh", "Sigmoid"):
        return set()
    if node.op_type == "Max" and any(_above(x, limit, emit) for x in node.inputs):
        return set()
    first = 1 if node.op_type == "Where" else 0
    last = 1 if node.op_type in _SELECTING else None
    found = {low for x in node.inputs[first:last] if x is not None
             for low in lows(x, kind, emit, depth - 1)}  # fmt: skip
    if node.op_type in ("Add", "Sub", "Mul") and "finite" in found:
        found.add("infinite")
    return found


def _above(value: ir.Value | None, limit: float, emit: Emitter) -> bool:
    """Whether the value is one number above the limit."""
    number = emit.facts.scalar(value)
    return number is not None and number > limit


_SELECTING = frozenset(
    {"Gather", "GatherND", "GatherElements", "Reshape", "Expand", "Slice", "Pad", "Unsqueeze",
     "Squeeze", "Tile", "Transpose", "Cast", "Identity"}
)  # fmt: skip
