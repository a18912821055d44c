"""From filled roles to a site: which factors are batch, heads and groups; cache; nodes."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from pipeline.graph.dims import Dim
from pipeline.graph.facts import Facts
from pipeline.graph.recognise.attention.assemble import Draft, axis_of
from pipeline.graph.recognise.attention.operands import Unmatched
from pipeline.graph.recognise.attention.site import AttentionSite, Cache, MaskStep
from pipeline.graph.views import Axes, Axis, Factor, View


def finish(draft: Draft, anchor: ir.Node, nodes: frozenset[ir.Node]) -> AttentionSite:
    """Return the site for a filled draft.

    Raises:
        Unmatched: Rows, keys, heads or sizes overlap in a way no attention has.
    """
    frame, output = draft.frame, draft.output
    assert output is not None
    rows, keys = axis_of(draft, "rows"), axis_of(draft, "keys")
    size, value_size = axis_of(draft, "size"), axis_of(draft, "value_size")
    inner = {*rows, *keys}
    axes = [tuple(f for f in axis if f not in inner) for axis in frame.axes("scores")]
    repeated = {
        f
        for axis in axes
        for f in axis
        if not frame.holds("k", f) and not frame.holds("v", f) and frame.holds("q", f)
    }
    batch, heads = _heads(axes[:-2], repeated)
    groups = tuple(f for f in heads if f in repeated)
    heads = tuple(f for f in heads if f not in repeated) + groups
    for name, extra in (("q", size), ("k", size), ("v", value_size)):
        allowed = {*batch, *heads, *rows, *keys, *extra}
        if any(f not in allowed for axis in frame.views[name].source for f in axis):
            raise Unmatched(f"the {name} operand has an axis that is neither batch, head nor length")
    k, v, cache, new_keys = _cache(draft, batch, heads, groups, keys, size, value_size)
    return AttentionSite(
        anchor, nodes, _outputs(output, cache),
        q=frame.views["q"], k=k, v=v, out=frame.views["out"],
        batch=batch, heads=heads, groups=groups, rows=rows, keys=keys,
        size=size, value_size=value_size, new_keys=new_keys, scale=draft.scale, cap=draft.cap,
        row_scale=frame.views[draft.row_scale] if draft.row_scale else None,
        mask=tuple(_placed(draft, step, name) for step, name in draft.mask),
        zero_rows=draft.zero_rows,
        sink=frame.views[draft.sink] if draft.sink else None,
        cache=cache,
    )  # fmt: skip


def _outputs(output: ir.Value, cache: Cache | None) -> tuple[ir.Value, ...]:
    return (output,) if cache is None else (output, cache.present_key, cache.present_value)


def _placed(draft: Draft, step: MaskStep, name: str | None) -> MaskStep:
    return step if name is None else replace(step, view=draft.frame.views[name])


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


def _cache(
    draft: Draft, batch: Axis, heads: Axis, groups: Axis, keys: Axis, size: Axis, value_size: Axis
) -> tuple[View, View, Cache | None, Axis]:
    """Take the concatenation of past and new keys and values into the site, where there is one."""
    k, v = draft.frame.views["k"], draft.frame.views["v"]
    kv = tuple(f for f in heads if f not in groups)
    split_k = _past(k, (batch, kv, keys, size), draft.facts)
    split_v = _past(v, (batch, kv, keys, value_size), draft.facts)
    if split_k is None or split_v is None or split_k[2] != split_v[2]:
        return k, v, None, keys
    (past_k, new_k, length), (past_v, new_v, _) = split_k, split_v
    fresh = draft.facts.shape(new_k)
    assert fresh is not None
    new_keys = (Factor(fresh[2]),) if fresh[2] != 1 else ()
    layout_k: Axes = (batch, kv, new_keys, size)
    layout_v: Axes = (batch, kv, new_keys, value_size)
    cache = Cache(past_k, past_v, k.base, v.base, length)
    return View(new_k, layout_k, layout_k), View(new_v, layout_v, layout_v), cache, new_keys


def _past(view: View, layout: Axes, facts: Facts) -> tuple[ir.Value, ir.Value, Dim] | None:
    """Return (past, new, past length) when the base is Concat(past, new) in [B, H, T, D]."""
    node = view.base.producer()
    if node is None or node.op_type != "Concat" or len(node.inputs) != 2 or len(view.source) != 4:
        return None
    if any(a != b for a, b in zip(view.source, layout, strict=True)):
        return None
    past, new = node.inputs
    if past is None or new is None or node.attributes["axis"].as_int() not in (2, -2):
        return None
    shape = facts.shape(past)
    if shape is None or not _comes_from_outside(past):
        return None
    return past, new, shape[2]


def _comes_from_outside(value: ir.Value) -> bool:
    """Whether the value is a cache handed in, not something this step computed."""
    while (node := value.producer()) is not None and node.op_type in ("Identity", "Cast"):
        source = node.inputs[0]
        if source is None:
            return False
        value = source
    return value.is_graph_input()

