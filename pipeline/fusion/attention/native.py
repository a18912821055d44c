"""Reading an existing ai.onnx Attention node into the same site as a written-out one."""

from __future__ import annotations

import math
from dataclasses import replace

import onnx_ir as ir

from pipeline.fusion.attention.cache import absorb
from pipeline.fusion.attention.operands import Unmatched, follow_result, operand_view
from pipeline.fusion.attention.site import AttentionSite, Cache, MaskStep
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame, unit_view
from pipeline.graph.views.view import Axes, Axis, Factor, View, base_view, view_of

ROLES = ("q", "k", "v")


def native_site(node: ir.Node, facts: Facts) -> AttentionSite:
    """Return the site of an Attention node.

    Raises:
        Unmatched: The node uses a form the lowerings have no better spelling for; it stays.
    """
    inputs = [*node.inputs, *[None] * (7 - len(node.inputs))]
    _check(node, inputs)
    frame, scale = Frame(), 1.0
    heads = [_int(node, "q_num_heads"), _int(node, "kv_num_heads"), _int(node, "kv_num_heads")]
    for name, value, count in zip(ROLES, inputs[:3], heads, strict=True):
        assert value is not None
        view, factor = operand_view(value, facts, scales=name != "v")
        scale *= factor
        frame.put(name, _four_axes(view, count, value, facts))
    try:
        _align(frame)
        mask = _mask(node, inputs[3], frame, facts)
    except AlignError as error:
        raise Unmatched(str(error), node) from error
    return _site(node, inputs, frame, mask, scale * _scale(node, frame), facts)


def _check(node: ir.Node, inputs: list[ir.Value | None]) -> None:
    if inputs[6] is not None:
        raise Unmatched("lengths of unpadded keys are given as an input", node)
    if len(node.outputs) > 3 and list(node.outputs[3].uses()):
        raise Unmatched("the products of queries and keys are used elsewhere", node)
    if (inputs[4] is None) != (inputs[5] is None):
        raise Unmatched("only one of past keys and past values is given", node)


def _four_axes(view: View, heads: int, value: ir.Value, facts: Facts) -> View:
    """Return the operand as [batch, heads, length, size], from rank 3 or 4."""
    if len(view.axes) == 4:
        return view
    shape = view.shape
    size = shape[2].exact_div(heads) if heads else None
    split = view.reshape([shape[0], shape[1], Dim.of(heads), size]) if size is not None else None
    if split is None:
        base = base_view(value, facts)
        split = base.reshape([*shape[:2], Dim.of(heads), size]) if base and size else None
    if split is None:
        raise Unmatched(f"the last axis of {shape[2]} is not {heads} heads", value.producer())
    return split.transpose([0, 2, 1, 3])


def _align(frame: Frame) -> None:
    """Unify batch, size and key length; key/value heads are the major part of query heads."""
    for name in ("k", "v"):
        frame.align("q", 0, name, 0)
    frame.align("q", 3, "k", 3)
    frame.align("k", 2, "v", 2)
    query, shared = frame.views["q"].shape[1], frame.views["k"].shape[1]
    times = query.exact_div(shared)
    if times is None:
        raise Unmatched(f"{query} query heads over {shared} key heads")
    for name in ("k", "v"):
        axes = frame.axes(name)
        if times != 1:
            axis: Axis = (*axes[1], Factor(times, broadcast=True))
            frame.set_axes(name, (axes[0], axis, axes[2], axes[3]))
        frame.align("q", 1, name, 1)


def _mask(
    node: ir.Node, value: ir.Value | None, frame: Frame, facts: Facts
) -> tuple[tuple[MaskStep, str], ...]:
    if value is None:
        return ()
    boolean = facts.dtype(value) == ir.DataType.BOOL
    kind = MaskStep("keep", node, fill=-math.inf) if boolean else MaskStep("add", node)
    q, k = frame.axes("q"), frame.axes("k")
    total = k[2] if len(node.inputs) < 5 or node.inputs[4] is None else None
    if total is None:
        dim = _total(node, k, facts)
        total = (Factor(dim),) if dim != 1 else ()
    frame.put("scores", unit_view(value, (q[0], q[1], q[2], total)))
    held = dict(frame.views)
    for view, loose in (
        (view_of(value, facts), False),
        (base_view(value, facts), False),
        (base_view(value, facts), True),
    ):
        if view is None or len(view.axes) > 4:
            raise Unmatched("the rank of the mask is unknown or above 4", node)
        frame.views = {**held, "mask": view}
        try:
            _align_mask(frame, loose=loose)
        except AlignError as error:
            problem = error
            continue
        return ((replace(kind, loose=loose), "mask"),)
    raise Unmatched(f"mask: {problem}", node)


def _align_mask(frame: Frame, *, loose: bool) -> None:
    own = len(frame.axes("mask"))
    for i in range(own):
        if not frame.axes("mask")[i]:
            continue
        try:
            frame.align("scores", 4 - own + i, "mask", i)
        except AlignError:
            if not loose or not frame.assume("scores", 4 - own + i, "mask", i):
                raise


def _total(node: ir.Node, k: tuple[Axis, ...], facts: Facts) -> Dim:
    past = node.inputs[4]
    shape = facts.shape(past) if past is not None else None
    if shape is None:
        raise Unmatched("the shape of the past keys is unknown", node)
    total = shape[2]
    for factor in k[2]:
        return total + factor.size
    return total + 1


def _scale(node: ir.Node, frame: Frame) -> float:
    attribute = node.attributes.get("scale")
    if attribute is not None:
        return attribute.as_float()
    size = frame.views["q"].shape[3].const
    if not size:
        raise Unmatched(f"the head size is {'0' if size == 0 else 'not a constant'}", node)
    return 1.0 / math.sqrt(size)


def _site(
    node: ir.Node,
    inputs: list[ir.Value | None],
    frame: Frame,
    mask: tuple[tuple[MaskStep, str], ...],
    scale: float,
    facts: Facts,
) -> AttentionSite:
    q, k, v = (frame.axes(name) for name in ROLES)
    groups = tuple(f for f in q[1] if not frame.holds("k", f) and not frame.holds("v", f))
    heads = tuple(f for f in q[1] if f not in groups) + groups
    kv = tuple(f for f in q[1] if f not in groups)
    keys = frame.axes("scores")[3] if mask else k[2]
    if inputs[4] is None:
        common = (q[0], kv, k[2])
        views = frame.views
        key, value, cache, new_keys = absorb(views["k"], views["v"], common, q[3], v[3], facts)
    else:
        key, value, new_keys = frame.views["k"], frame.views["v"], k[2]
        cache = _own_cache(node, inputs, facts)
        keys = keys if mask else (Factor(_total(node, k, facts)),)
    result: Axes = (q[0], q[1], q[2], v[3])
    if len(facts.shape(node.outputs[0]) or ()) == 3:
        result = (q[0], q[2], heads + v[3])
    frame.put("out", unit_view(node.outputs[0], result))
    output, tail = follow_result(frame, node.outputs[0], facts)
    outputs = (output,) if cache is None else (output, cache.present_key, cache.present_value)
    return AttentionSite(
        node, frozenset({node, *tail}), outputs,
        q=frame.views["q"], k=key, v=value, out=frame.views["out"],
        batch=q[0], heads=heads, groups=groups, rows=q[2], keys=keys, size=q[3], value_size=v[3],
        new_keys=new_keys, scale=scale, cap=_float(node, "softcap"),
        mask=tuple(replace(step, view=frame.views[name]) for step, name in mask),
        causal=bool(_int(node, "is_causal")), zero_rows=bool(mask), cache=cache, native=True,
    )  # fmt: skip


def _own_cache(node: ir.Node, inputs: list[ir.Value | None], facts: Facts) -> Cache:
    past_key, past_value = inputs[4], inputs[5]
    assert past_key is not None
    assert past_value is not None
    shape = facts.shape(past_key)
    assert shape is not None
    return Cache(past_key, past_value, node.outputs[1], node.outputs[2], shape[2])


def _int(node: ir.Node, name: str) -> int:
    attribute = node.attributes.get(name)
    return attribute.as_int() if attribute is not None else 0


def _float(node: ir.Node, name: str) -> float:
    attribute = node.attributes.get(name)
    return attribute.as_float() if attribute is not None else 0.0
