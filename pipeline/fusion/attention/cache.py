"""Past keys and values concatenated in front of the new ones."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.attention.operands import operand_view
from pipeline.fusion.attention.site import Cache
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame
from pipeline.graph.views.view import Axes, Axis, Factor, View, unit_view
from pipeline.graph.views.walks import behind
from pipeline.operators import CASTS


@dataclass(frozen=True)
class NewTokens:
    """Keys and values of the tokens that are no cache's.

    Attributes:
        k, v: Their views.
        length: Factors of their number.
        cache: Where the others are, None where all are new.
    """

    k: View
    v: View
    length: Axis
    cache: Cache | None


@dataclass(frozen=True)
class _Joined:
    """Concat(past, new) in [batch, heads, tokens, size]."""

    past: ir.Value
    new: ir.Value
    past_length: Dim


def new_tokens(k: View, v: View, layouts: tuple[Axes, Axes], facts: Facts) -> NewTokens:
    """Return keys and values without the cache that they are concatenated to, where there is one.

    Args:
        k: Keys of all tokens.
        v: Values of all tokens.
        layouts: Of keys and of values with a cache: [batch, key/value heads, tokens, size].
        facts: Shapes.
    """
    of_keys, of_values = layouts
    key, value = _joined(k, of_keys, facts), _joined(v, of_values, facts)
    batch, heads, tokens, size = of_keys
    if key is None or value is None or key.past_length != value.past_length:
        return NewTokens(k, v, tokens, None)
    fresh = facts.shape(key.new)
    assert fresh is not None  # it has the rank of the Concat
    length = (Factor(fresh[2]),) if fresh[2] != 1 else ()
    cache = Cache(key.past, value.past, k.base, v.base, key.past_length)
    return NewTokens(
        _before_layout(key.new, (batch, heads, length, size), facts),
        _before_layout(value.new, (batch, heads, length, of_values[3]), facts),
        length,
        cache,
    )


def _before_layout(new: ir.Value, layout: Axes, facts: Facts) -> View:
    """Return the new tokens as a view of what they were before they were laid out for the cache."""
    frame = Frame()
    laid_out, before = unit_view(new, layout), operand_view(new, facts, scales=False)[0]
    try:
        for axis in range(len(layout)):
            laid_out, before = frame.align(laid_out, axis, before, axis)
    except AlignError:
        return unit_view(new, layout)
    # the other roles know these factors only
    return frame.view(before) if frame.view(laid_out).axes == layout else unit_view(new, layout)


def _joined(view: View, layout: Axes, facts: Facts) -> _Joined | None:
    """Return the parts when the base is Concat(past, new) in the layout of a cache."""
    node = view.base.producer()
    if node is None or node.op_type != "Concat" or len(node.inputs) != 2 or view.source != layout:
        return None
    past, new = node.inputs
    if past is None or new is None or node.attributes["axis"].as_int() not in (2, -2):
        return None
    shape = facts.shape(past)
    # a cache is handed in, and not something this step computed
    if shape is None or not behind(past, CASTS).is_graph_input():
        return None
    return _Joined(past, new, shape[2])
