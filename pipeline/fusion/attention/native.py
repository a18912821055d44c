"""Reading an existing ai.onnx Attention node into the same site as a written-out one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import onnx_ir as ir

from pipeline.fusion.attention.cache import NewTokens, new_tokens
from pipeline.fusion.attention.operands import Unmatched, follow_result, operand_view, readings
from pipeline.fusion.attention.site import AttentionSite, Cache, MaskStep
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame, assumed
from pipeline.graph.views.view import Axes, Axis, Factor, View, base_view, unit_view


@dataclass(frozen=True)
class _Inputs:
    """What an Attention node reads."""

    q: ir.Value
    k: ir.Value
    v: ir.Value
    mask: ir.Value | None
    past_key: ir.Value | None
    past_value: ir.Value | None


@dataclass(frozen=True)
class _Roles:
    """What they are; operands are [batch, heads, length, size].

    Attributes:
        q, k, v: Queries, and keys and values of the new tokens.
        scale: What the operands themselves are scaled by.
        keys: The axis of the scores that runs over all keys.
        mask: No step or one.
    """

    q: View
    k: View
    v: View
    scale: float
    keys: Axis
    mask: tuple[MaskStep, ...] = ()

    def settled(self, frame: Frame) -> _Roles:
        """Return them in the factors the frame has by now."""
        q, k, v = (frame.view(view) for view in (self.q, self.k, self.v))
        mask = tuple(
            replace(step, view=None if step.view is None else frame.view(step.view))
            for step in self.mask
        )
        return replace(self, q=q, k=k, v=v, keys=frame.axis(self.keys), mask=mask)


def native_site(node: ir.Node, facts: Facts) -> AttentionSite:
    """Return the site of an Attention node.

    Raises:
        Unmatched: The node uses a form the lowerings have no better spelling for; it stays.
    """
    given, frame = _inputs(node), Frame()
    try:
        roles = _aligned(frame, _operands(node, given, facts), node)
        roles = _with_all_keys(roles, node, given, facts)
        if given.mask is not None:
            roles = _masked(frame, roles, node, given.mask, facts)
    except AlignError as error:
        raise Unmatched(str(error), node) from error
    roles = replace(roles.settled(frame), scale=roles.scale * _scale(node, roles.q))
    written = unit_view(node.outputs[0], _result_axes(roles, node, facts))
    out, result, tail = follow_result(frame, written, facts)
    return _site(
        roles.settled(frame), node, _own_cache(node, given, facts), out, result, tail, facts
    )


def _inputs(node: ir.Node) -> _Inputs:
    """Return the inputs of a node in a form that is understood."""
    q, k, v, mask, past_key, past_value, lengths = [*node.inputs, *[None] * 7][:7]
    if lengths is not None:
        raise Unmatched("lengths of unpadded keys are given as an input", node)
    if len(node.outputs) > 3 and list(node.outputs[3].uses()):
        raise Unmatched("the products of queries and keys are used elsewhere", node)
    if (past_key is None) != (past_value is None):
        raise Unmatched("only one of past keys and past values is given", node)
    assert q is not None
    assert k is not None
    assert v is not None
    return _Inputs(q, k, v, mask, past_key, past_value)


def _operands(node: ir.Node, given: _Inputs, facts: Facts) -> _Roles:
    heads, kv = (node.attributes.get_int(name, 0) for name in ("q_num_heads", "kv_num_heads"))
    q, q_scale = _operand(node, given.q, heads, facts)
    k, k_scale = _operand(node, given.k, kv, facts)
    v, _ = _operand(node, given.v, kv, facts, scales=False)
    return _Roles(q, k, v, q_scale * k_scale, keys=k.axes[2])


def _operand(
    node: ir.Node, value: ir.Value, heads: int, facts: Facts, *, scales: bool = True
) -> tuple[View, float]:
    """Return an operand as [batch, heads, length, size], from rank 3 or 4, and its scale."""
    at = value.producer() or node
    try:
        view, scale = operand_view(value, facts, scales=scales)
    except Unmatched as error:
        raise Unmatched(error.reason, error.node or node) from error
    if len(view.axes) == 4:
        return view, scale
    shape = view.shape
    size = shape[2].exact_div(heads) if heads else None
    split = view.reshape([*shape[:2], Dim.of(heads), size]) if size is not None else None
    if split is None:
        base = base_view(value, facts)
        split = base.reshape([*shape[:2], Dim.of(heads), size]) if base and size else None
    if split is None:
        raise Unmatched(f"the last axis of {shape[2]} is not {heads} heads", at)
    return split.transpose([0, 2, 1, 3]), scale


def _aligned(frame: Frame, roles: _Roles, node: ir.Node) -> _Roles:
    """Unify batch, size and key length; key/value heads are the major part of query heads."""
    q, k, v = roles.q, roles.k, roles.v
    q, k = frame.align(q, 0, k, 0)
    q, v = frame.align(q, 0, v, 0)
    q, k = frame.align(q, 3, k, 3)
    k, v = frame.align(k, 2, v, 2)
    query, shared = q.shape[1], k.shape[1]
    times = query.exact_div(shared)
    if times is None:
        raise Unmatched(f"{query} query heads over {shared} key heads", node)
    q, k = frame.align(q, 1, _repeated(frame.view(k), times), 1)
    q, v = frame.align(q, 1, _repeated(frame.view(v), times), 1)
    return replace(roles, q=q, k=k, v=v, keys=k.axes[2]).settled(frame)


def _repeated(view: View, times: Dim) -> View:
    """Return keys or values with each head repeated for the query heads that share it."""
    if times == 1:
        return view
    return view.with_axis(1, (*view.axes[1], Factor(times, broadcast=True)))


def _with_all_keys(roles: _Roles, node: ir.Node, given: _Inputs, facts: Facts) -> _Roles:
    """Return the roles with the past counted among the keys."""
    if given.past_key is None:
        return roles
    shape = facts.shape(given.past_key)
    if shape is None:
        raise Unmatched("the shape of the past keys is unknown", node)
    total = shape[2] + (roles.keys[0].size if roles.keys else 1)
    one = total == 1 and given.mask is not None
    return replace(roles, keys=() if one else (Factor(total),))


def _masked(frame: Frame, roles: _Roles, node: ir.Node, mask: ir.Value, facts: Facts) -> _Roles:
    """Return the roles with the mask, aligned with the scores."""
    boolean = facts.dtype(mask) == ir.DataType.BOOL
    step = MaskStep("keep", node, fill=-math.inf) if boolean else MaskStep("add", node)
    problem: AlignError | None = None
    for view, loose in readings(mask, facts):
        if view is None or len(view.axes) > 4:
            raise Unmatched("the rank of the mask is unknown or above 4", node)
        try:
            with frame.trial():
                aligned, keys = _against_scores(frame, roles, view, loose=loose)
        except AlignError as error:
            problem = error
        else:
            return replace(roles, keys=keys, mask=(replace(step, view=aligned, loose=loose),))
    raise Unmatched(f"mask: {problem}", node)


def _against_scores(frame: Frame, roles: _Roles, view: View, *, loose: bool) -> tuple[View, Axis]:
    """Return the mask with the axes of the scores, from the right, and the axis of the keys."""
    scores, keys = (*roles.q.axes[:3], roles.keys), roles.keys
    for i, axis in enumerate(view.axes):
        place = 4 - len(view.axes) + i
        if not axis:
            continue
        if not scores[place]:  # of size 1 as far as is known: it takes the size of the mask
            keys = axis if place == 3 else keys
            continue
        try:
            frame.unify(scores[place], axis)
        except AlignError:
            taken = frame.axis(scores[place])
            spread = assumed(frame.view(view), i, taken) if loose else None
            if spread is None:
                raise
            view = spread
    return view, keys


def _scale(node: ir.Node, q: View) -> float:
    if "scale" in node.attributes:
        return node.attributes["scale"].as_float()
    size = q.shape[3].const
    if not size:
        raise Unmatched(f"the head size is {'0' if size == 0 else 'not a constant'}", node)
    return 1.0 / math.sqrt(size)


def _own_cache(node: ir.Node, given: _Inputs, facts: Facts) -> Cache | None:
    """Return the cache that the operator itself joins with the new tokens."""
    if given.past_key is None or given.past_value is None:
        return None
    shape = facts.shape(given.past_key)
    assert shape is not None  # the number of keys was read off it
    past = given.past_key, given.past_value
    return Cache(*past, node.outputs[1], node.outputs[2], shape[2])


def _heads(roles: _Roles) -> tuple[Axis, Axis]:
    """Return the factors of the heads that have keys of their own, and of those that share."""
    held = roles.k.held | roles.v.held
    heads = roles.q.axes[1]
    return tuple(f for f in heads if f in held), tuple(f for f in heads if f not in held)


def _result_axes(roles: _Roles, node: ir.Node, facts: Facts) -> Axes:
    batch, heads, rows, _ = roles.q.axes
    value_size = roles.v.axes[3]
    if len(facts.shape(node.outputs[0]) or ()) == 3:
        kv, groups = _heads(roles)
        return (batch, rows, kv + groups + value_size)
    return (batch, heads, rows, value_size)


def _site(
    roles: _Roles,
    node: ir.Node,
    own: Cache | None,
    out: View,
    result: ir.Value,
    tail: tuple[ir.Node, ...],
    facts: Facts,
) -> AttentionSite:
    (batch, _, rows, size), (_, _, tokens, value_size) = roles.q.axes, roles.v.axes
    kv, groups = _heads(roles)
    new = NewTokens(roles.k, roles.v, tokens, own)
    if own is None:
        layouts = (batch, kv, tokens, size), (batch, kv, tokens, value_size)
        new = new_tokens(roles.k, roles.v, layouts, facts)
    present = () if new.cache is None else (new.cache.present_key, new.cache.present_value)
    return AttentionSite(
        node, frozenset({node, *tail}), (result, *present),
        q=roles.q, k=new.k, v=new.v, out=out,
        batch=batch, heads=kv + groups, groups=groups, rows=rows, keys=roles.keys,
        size=size, value_size=value_size, new_keys=new.length, scale=roles.scale,
        cap=node.attributes.get_float("softcap", 0.0), mask=roles.mask,
        causal=bool(node.attributes.get_int("is_causal", 0)), zero_rows=bool(roles.mask),
        cache=new.cache, native=True,
    )  # fmt: skip
