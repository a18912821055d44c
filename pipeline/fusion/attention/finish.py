"""From filled roles to a site: which factors are batch, heads and groups; cache; nodes."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from pipeline.fusion.attention.assemble import Draft, axis_of
from pipeline.fusion.attention.cache import absorb
from pipeline.fusion.attention.operands import Unmatched
from pipeline.fusion.attention.site import AttentionSite, Cache, MaskStep
from pipeline.graph.views.view import Axes, Axis, Factor, View


def finish(draft: Draft, anchor: ir.Node, nodes: frozenset[ir.Node]) -> AttentionSite:
    """Return the site for a filled draft.

    Raises:
        Unmatched: Rows, keys, heads or sizes overlap in a way no attention has.
    """
    frame, output = draft.frame, draft.output
    assert output is not None
    rows, keys = axis_of(draft, "rows"), axis_of(draft, "keys")
    size, value_size = axis_of(draft, "size"), axis_of(draft, "value_size")
    axes = _outer(frame.axes("scores"), rows, keys)
    repeated = {
        f
        for axis in axes
        for f in axis
        if not frame.holds("k", f) and not frame.holds("v", f) and frame.holds("q", f)
    }
    batch, heads = _heads(axes, repeated)
    groups = tuple(f for f in heads if f in repeated)
    heads = tuple(f for f in heads if f not in repeated) + groups
    for name, extra in (("q", size), ("k", size), ("v", value_size)):
        allowed = {*batch, *heads, *rows, *keys, *extra}
        if any(f not in allowed for axis in frame.views[name].source for f in axis):
            raise Unmatched(
                f"the {name} operand has an axis that is neither batch, head nor length"
            )
    kv = tuple(f for f in heads if f not in groups)
    k, v, cache, new_keys = absorb(
        frame.views["k"], frame.views["v"], (batch, kv, keys), size, value_size, draft.facts
    )
    weights = frame.views.get("weights")
    return AttentionSite(
        anchor, nodes, _outputs(output, weights, cache),
        q=frame.views["q"], k=k, v=v, out=frame.views["out"],
        batch=batch, heads=heads, groups=groups, rows=rows, keys=keys,
        size=size, value_size=value_size, new_keys=new_keys, scale=draft.scale, cap=draft.cap,
        row_scale=frame.views[draft.row_scale] if draft.row_scale else None,
        mask=tuple(_placed(draft, step, name) for step, name in draft.mask),
        zero_rows=draft.zero_rows,
        sink=frame.views[draft.sink] if draft.sink else None,
        cache=cache, weights=weights,
    )  # fmt: skip


def _outputs(output: ir.Value, weights: View | None, cache: Cache | None) -> tuple[ir.Value, ...]:
    first = (output,) if weights is None else (output, weights.base)
    return first if cache is None else (*first, cache.present_key, cache.present_value)


def _placed(draft: Draft, step: MaskStep, name: str | None) -> MaskStep:
    if name is None:
        return step
    return replace(step, view=draft.frame.views[name], loose=name in draft.loose)


def _outer(axes: Axes, rows: Axis, keys: Axis) -> list[Axis]:
    """Return the axes of the scores without rows and keys, wherever those stand."""
    left = list(axes)
    for inner in (keys, rows):
        places = [i for i, axis in enumerate(left) if axis == inner]
        left = [axis for i, axis in enumerate(left) if i not in places[-1:]]
    return [tuple(f for f in axis if f not in (*rows, *keys)) for axis in left]


def _heads(axes: list[Axis], repeated: set[Factor]) -> tuple[Axis, Axis]:
    """Split the batch factors into batch and heads.

    Heads are the innermost batch axis, and the one before it too when the innermost only
    repeats keys (grouped heads written as two axes). Of a single folded `batch * heads` axis the
    innermost factor is the heads; with no factors to tell, everything is batch.
    """
    if not axes:
        return (), ()
    last = axes[-1]
    if len(axes) > 1:
        count = 2 if len(axes) > 2 and last and all(f in repeated for f in last) else 1
        heads = tuple(f for axis in axes[-count:] for f in axis)
        return tuple(f for axis in axes[:-count] for f in axis), heads
    count = 1
    while count < len(last) and all(f in repeated for f in last[-count:]):
        count += 1
    if count >= len(last):
        return last, ()
    return last[:-count], last[-count:]
