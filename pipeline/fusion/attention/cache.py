"""Past keys and values concatenated in front of the new ones."""

from __future__ import annotations

import onnx_ir as ir

from pipeline.fusion.attention.operands import operand_view
from pipeline.fusion.attention.site import Cache
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame
from pipeline.graph.views.view import Axes, Axis, Factor, View


def absorb(
    k: View, v: View, common: tuple[Axis, Axis, Axis], size: Axis, value_size: Axis, facts: Facts
) -> tuple[View, View, Cache | None, Axis]:
    """Take the concatenation of past and new keys and values into the site, where there is one.

    Args:
        k: Keys with all their tokens.
        v: Values with all their tokens.
        common: Batch, key/value heads and key length.
        size: Head size of the keys.
        value_size: Head size of the values.
        facts: Shapes.

    Returns:
        Keys and values of the new tokens, the cache or None, the new tokens' length.
    """
    batch, kv, keys = common
    split_k = _past(k, (*common, size), facts)
    split_v = _past(v, (*common, value_size), facts)
    if split_k is None or split_v is None or split_k[2] != split_v[2]:
        return k, v, None, keys
    (past_k, new_k, length), (past_v, new_v, _) = split_k, split_v
    fresh = facts.shape(new_k)
    assert fresh is not None
    new_keys = (Factor(fresh[2]),) if fresh[2] != 1 else ()
    layout_k: Axes = (batch, kv, new_keys, size)
    layout_v: Axes = (batch, kv, new_keys, value_size)
    cache = Cache(past_k, past_v, k.base, v.base, length)
    return _through(new_k, layout_k, facts), _through(new_v, layout_v, facts), cache, new_keys


def _through(new: ir.Value, layout: Axes, facts: Facts) -> View:
    """Return the new tokens as a view of what they were before they were laid out for the cache."""
    frame = Frame()
    frame.put("laid out", View(new, layout, layout))
    frame.put("before", operand_view(new, facts, scales=False)[0])
    try:
        for axis in range(len(layout)):
            frame.align("laid out", axis, "before", axis)
    except AlignError:
        return View(new, layout, layout)
    if frame.axes("laid out") != layout:  # the other roles know these factors only
        return View(new, layout, layout)
    return frame.views["before"]


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
