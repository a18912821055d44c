"""Filling the roles of an attention: how the axes of its two products pair up, step by step."""

from __future__ import annotations

import math
from dataclasses import replace

import onnx_ir as ir

from pipeline.fusion.attention.operands import (
    Unmatched,
    follow_result,
    operand_view,
    readings,
    rearranged,
)
from pipeline.fusion.attention.probs import Way
from pipeline.fusion.attention.roles import Roles, Scores
from pipeline.fusion.attention.scores import Path, Step
from pipeline.fusion.attention.site import MaskStep
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import Contraction
from pipeline.graph.views.frame import AlignError, Frame, assumed
from pipeline.graph.views.view import View, is_layout, unit_view
from pipeline.graph.views.walks import behind

MASK_FILL = -1e3
GATED = -1e30  # scores times zero, which a bias then pushes below all others


def fill_roles(softmax: ir.Node, path: Path, way: Way, facts: Facts) -> Roles:
    """Return the roles of an attention.

    Args:
        softmax: Its softmax.
        path: The way up from there to the product of queries and keys.
        way: The way down from there to the product with the values, which it reaches.
        facts: Shapes and constants.

    Raises:
        Unmatched: The first condition that broke.
    """
    frame = Frame()
    scores = _product(frame, path.product, facts)
    for step in path.steps:
        scores = _stepped(frame, scores, step, facts)
    if scores.gated:
        raise Unmatched("scores are multiplied by a tensor and not masked after it", softmax)
    scores = _normalised(frame, scores, softmax)
    zero_rows = way.zero_rows
    for node, inverted in way.masks:
        scores = _masked_again(scores, node, facts, inverted=inverted)
        zero_rows = True
    return _times_values(frame, scores, way, facts, zero_rows=zero_rows).settled(frame)


def _aligned(
    frame: Frame, one: View, i: int, other: View, j: int, node: ir.Node
) -> tuple[View, View]:
    """Return both views with the two axes the same factors, which meet in the node."""
    try:
        return frame.align(one, i, other, j)
    except AlignError as error:
        raise Unmatched(str(error), node) from error


def _product(frame: Frame, product: Contraction, facts: Facts) -> Scores:
    """Queries and keys, and the axes of their product."""
    (q, q_scale), (k, k_scale) = (operand_view(value, facts) for value in product.operands)
    left, right = product.labels
    for label in left:
        if label in right:
            i, j = left.index(label), right.index(label)
            q, k = _aligned(frame, q, i, k, j, product.node)
    rows, keys, summed = product.own(0), product.own(1), product.summed
    if not rows or not keys or len(summed) != 1:
        raise Unmatched("the product does not pair rows of queries with keys", product.node)
    axes = dict(zip(right, frame.view(k).axes, strict=True))
    axes |= dict(zip(left, frame.view(q).axes, strict=True))
    return Scores(
        q, k, unit_view(product.node.outputs[0], (axes[label] for label in product.out)),
        rows=axes[rows[-1]], keys=axes[keys[-1]], size=axes[summed[0]],
        scale=product.scale * q_scale * k_scale,
    )  # fmt: skip


def _stepped(frame: Frame, scores: Scores, step: Step, facts: Facts) -> Scores:
    """Return the scores after one step towards the softmax."""
    match step.kind:
        case "layout":
            if not is_layout(step.node, facts):
                return scores
            return replace(scores, view=rearranged(frame, scores.view, step.node, facts))
        case "scale":
            return _scaled(scores, step)
        case "cap":
            if scores.mask or scores.cap:
                raise Unmatched("the soft-cap comes after a bias or another cap", step.node)
            return replace(scores, cap=step.number)
        case "floor":
            if step.number > MASK_FILL:
                raise Unmatched(f"scores are cut off at {step.number:g}", step.node)
            return scores
        case "row_scale":
            if scores.mask or scores.cap or scores.row_scale is not None:
                raise Unmatched("a per-head scale after a bias has no fused form", step.node)
            return replace(scores, row_scale=_broadcast(frame, scores, step, facts)[0])
        case "sink":
            return replace(scores, sink=_broadcast(frame, scores, step, facts)[0])
        case _:
            return _masked(frame, scores, step, facts)


def _scaled(scores: Scores, step: Step) -> Scores:
    if scores.cap:
        raise Unmatched("a scale after the soft-cap has no fused form", step.node)
    mask = scores.mask
    if mask:
        mask = (*mask, MaskStep("scale", step.node, factor=step.number))
    return replace(scores, scale=scores.scale * step.number, mask=mask)


def _masked(frame: Frame, scores: Scores, step: Step, facts: Facts) -> Scores:
    if step.kind == "keep" and step.number > MASK_FILL:
        raise Unmatched(f"masked scores become {step.number:g}, which is no mask", step.node)
    if scores.sink is not None:
        raise Unmatched("a bias is added after the sink", step.node)
    view, loose = _broadcast(frame, scores, step, facts)
    if step.kind == "add":
        found = MaskStep("add", step.node, view, factor=step.number, loose=loose)
        return replace(scores, mask=(*scores.mask, found), gated=False)
    gate = step.kind == "gate"
    fill = GATED if gate else step.number
    found = MaskStep("keep", step.node, view, fill=fill, inverted=step.inverted, loose=loose)
    return replace(scores, mask=(*scores.mask, found), gated=gate or scores.gated)


def _masked_again(scores: Scores, node: ir.Node, facts: Facts, *, inverted: bool) -> Scores:
    """Probabilities zeroed where scores were masked: rows without any other key are zeros.

    A mask of its own would take probability away without giving it to the other keys.
    """
    condition = _condition(node)
    shape = facts.shape(condition)
    if shape and shape[-1] == 1:  # whole rows, which the proof shows to be the empty ones
        return scores
    for i, step in enumerate(scores.mask):
        if step.kind == "keep" and step.inverted == inverted and _condition(step.node) is condition:
            mask = list(scores.mask)
            mask[i] = replace(step, fill=-math.inf)
            return replace(scores, mask=tuple(mask))
    raise Unmatched("probabilities are masked where no scores were", node)


def _condition(node: ir.Node) -> ir.Value | None:
    """Return what decides a Where, before it is repeated to its size."""
    value = node.inputs[0]
    return None if value is None else behind(value, ("Expand", "Identity"))


def _broadcast(frame: Frame, scores: Scores, step: Step, facts: Facts) -> tuple[View, bool]:
    """Return an operand that is broadcast against the scores, and whether its sizes are assumed."""
    assert step.other is not None
    problem: AlignError | None = None
    for view, loose in readings(step.other, facts):
        if view is None:
            raise Unmatched("the rank of a bias or mask is unknown", step.node)
        try:
            with frame.trial():
                return _against_scores(frame, scores.view, view, step, loose=loose), loose
        except AlignError as error:
            problem = error
    raise Unmatched(f"bias or mask: {problem}", step.node)


def _against_scores(frame: Frame, scores: View, view: View, step: Step, *, loose: bool) -> View:
    """Return an operand whose axes are those of the scores, from the right."""
    rank, own = len(scores.axes), len(view.axes)
    if own > rank:
        raise Unmatched(f"a bias of rank {own} widens scores of rank {rank}", step.node)
    for i, axis in enumerate(view.axes):
        place = rank - own + i
        if step.kind == "sink" and place == rank - 1:
            if axis:
                raise Unmatched("more than one sink per head", step.node)
            continue
        if not axis:
            continue
        if not scores.axes[place]:
            raise Unmatched("a bias widens an axis of size 1 of the scores", step.node)
        try:
            scores, view = frame.align(scores, place, view, i)
        except AlignError:
            taken = frame.axis(scores.axes[place])
            spread = assumed(frame.view(view), i, taken) if loose else None
            if spread is None:
                raise
            view = spread
    return view


def _normalised(frame: Frame, scores: Scores, softmax: ir.Node) -> Scores:
    """Return the scores with rows and keys as the softmax has them: it runs over the keys."""
    axes = frame.view(scores.view).axes
    axis = axes[softmax.attributes.get_int("axis", -1) % len(axes)]
    if axis == frame.axis(scores.keys):
        return scores
    if axis != frame.axis(scores.rows):
        raise Unmatched("the softmax does not run over the keys of the product", softmax)
    return replace(scores, q=scores.k, k=scores.q, rows=scores.keys, keys=scores.rows)


def _times_values(
    frame: Frame, scores: Scores, way: Way, facts: Facts, *, zero_rows: bool
) -> Roles:
    """The product with the values, and what its result becomes."""
    product = way.product
    assert product is not None
    _check_sink(scores, way)
    probs, weights = _probabilities(frame, scores, way, facts)
    v, _ = operand_view(product.operands[1 - way.operand], facts, scales=False)
    mine, theirs = product.labels[way.operand], product.labels[1 - way.operand]
    for label in mine:
        if label in theirs:
            i, j = mine.index(label), theirs.index(label)
            probs, v = _aligned(frame, probs, i, v, j, product.node)
    axes = dict(zip(theirs, frame.view(v).axes, strict=True))
    axes |= dict(zip(mine, frame.view(probs).axes, strict=True))
    summed, own = product.summed, product.own(1 - way.operand)
    if len(summed) != 1 or axes[summed[0]] != frame.axis(scores.keys):
        raise Unmatched("the product with the values does not sum over the keys", product.node)
    if len(own) != 1:
        raise Unmatched("the values have no axis of their own", product.node)
    if product.scale != 1.0:
        raise Unmatched(f"the product with the values is scaled by {product.scale:g}", product.node)
    written = unit_view(product.node.outputs[0], (axes[label] for label in product.out))
    out, result, tail = follow_result(frame, written, facts)
    return Roles(
        scores, zero_rows, v, value_size=axes[own[0]], weights=weights, out=out, result=result,
        tail=tail,
    )  # fmt: skip


def _check_sink(scores: Scores, way: Way) -> None:
    if (way.dropped == 1) != (scores.sink is not None):
        reason = "a sink is added to the scores and not dropped again, or the reverse"
        raise Unmatched(reason, way.at)
    if way.weights is not None and scores.sink is not None:
        raise Unmatched("probabilities beside a sink are used elsewhere", way.weights.producer())


def _probabilities(
    frame: Frame, scores: Scores, way: Way, facts: Facts
) -> tuple[View, View | None]:
    """Return the probabilities as the product with the values reads them, and as others do."""
    assert way.product is not None
    operand = way.product.operands[way.operand]
    probs = unit_view(operand, frame.view(scores.view).axes)
    weights = None
    for i, node in enumerate([*way.layout, None]):
        if way.weights is not None and i == way.weights_at:
            weights = unit_view(way.weights, probs.axes)
        if node is not None:
            probs = rearranged(frame, probs, node, facts)
    return probs, weights
