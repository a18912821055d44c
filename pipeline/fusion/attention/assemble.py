"""Filling the roles of an attention from its two products and what lies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from pipeline.fusion.attention.operands import (
    Unmatched,
    follow_result,
    operand_view,
    rearrange,
)
from pipeline.fusion.attention.probs import Way
from pipeline.fusion.attention.scores import Path, Step
from pipeline.fusion.attention.site import MaskStep
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import BROADCAST, Contraction
from pipeline.graph.views.frame import AlignError, Frame, unit_view
from pipeline.graph.views.view import Axis, View, base_view, is_layout, view_of

MASK_FILL = -1e3
GATED = -1e30  # scores times zero, which a bias then pushes below all others


@dataclass
class Draft:
    """The roles while they are being filled; `frame` holds the views by name."""

    facts: Facts
    frame: Frame = field(default_factory=Frame)
    scale: float = 1.0
    cap: float = 0.0
    row_scale: str | None = None
    sink: str | None = None
    mask: list[tuple[MaskStep, str | None]] = field(default_factory=list)
    loose: set[str] = field(default_factory=set)
    gated: bool = False
    zero_rows: bool = False
    output: ir.Value | None = None
    tail: list[ir.Node] = field(default_factory=list)


def assemble(softmax: ir.Node, path: Path, way: Way, facts: Facts) -> Draft:
    """Return the filled draft.

    Raises:
        Unmatched: The first condition that broke.
    """
    draft = Draft(facts, zero_rows=way.zero_rows)
    try:
        _product(draft, path.product)
        for step in path.steps:
            _step(draft, step)
        if draft.gated:
            raise Unmatched("scores are multiplied by a tensor and not masked after it", softmax)
        _softmax(draft, softmax)
        for node, inverted in way.masks:
            _mask_again(draft, node, inverted)
        _values(draft, way)
        assert draft.output is not None
        draft.output, draft.tail = follow_result(draft.frame, draft.output, facts)
    except AlignError as error:
        node = way.product.node if "v" in draft.frame.views and way.product else path.product.node
        raise Unmatched(str(error), node) from error
    return draft


def _product(draft: Draft, product: Contraction) -> None:
    """Queries and keys, and the axes of their product."""
    frame, facts = draft.frame, draft.facts
    draft.scale *= product.scale
    for name, value in zip(("q", "k"), product.operands, strict=True):
        view, factor = operand_view(value, facts)
        frame.put(name, view)
        draft.scale *= factor
    left, right = product.labels
    for label in left:
        if label in right:
            frame.align("q", left.index(label), "k", right.index(label))
    axes = []
    for label in product.out:
        name, labels = ("q", left) if label in left else ("k", right)
        axes.append(frame.axes(name)[labels.index(label)])
    frame.put("scores", unit_view(product.node.outputs[0], axes))
    rows = [x for x in product.out if x in left and x not in right and not x.startswith(BROADCAST)]
    keys = [x for x in product.out if x in right and x not in left and not x.startswith(BROADCAST)]
    summed = [x for x in left if x in right and x not in product.out]
    rows = rows or [x for x in product.out if x in left and x not in right]
    keys = keys or [x for x in product.out if x in right and x not in left]
    if not rows or not keys or len(summed) != 1:
        raise Unmatched("the product does not pair rows of queries with keys", product.node)
    _mark(draft, "rows", axes[product.out.index(rows[-1])])
    _mark(draft, "keys", axes[product.out.index(keys[-1])])
    _mark(draft, "size", frame.axes("q")[left.index(summed[0])])


def _mark(draft: Draft, name: str, axis: Axis) -> None:
    """Remember an axis under a name; its factors follow every later split."""
    value = draft.frame.views["q"].base
    draft.frame.put(name, View(value, (), (axis,)))


def axis_of(draft: Draft, name: str) -> Axis:
    """Return a remembered axis as it is split now."""
    return draft.frame.axes(name)[0]


def _step(draft: Draft, step: Step) -> None:
    match step.kind:
        case "layout":
            if is_layout(step.node, draft.facts):
                rearrange(draft.frame, "scores", step.node, draft.facts)
        case "scale":
            if draft.cap:
                raise Unmatched("a scale after the soft-cap has no fused form", step.node)
            draft.scale *= step.number
            if draft.mask:
                draft.mask.append((MaskStep("scale", step.node, factor=step.number), None))
        case "cap":
            if draft.mask or draft.cap:
                raise Unmatched("the soft-cap comes after a bias or another cap", step.node)
            draft.cap = step.number
        case "floor":
            if step.number > MASK_FILL:
                raise Unmatched(f"scores are cut off at {step.number:g}", step.node)
        case "row_scale":
            if draft.mask or draft.cap or draft.row_scale:
                raise Unmatched("a per-head scale after a bias has no fused form", step.node)
            draft.row_scale = _broadcast(draft, step)
        case "sink":
            draft.sink = _broadcast(draft, step)
        case _:
            _mask(draft, step)


def _mask(draft: Draft, step: Step) -> None:
    if step.kind == "keep" and step.number > MASK_FILL:
        raise Unmatched(f"masked scores become {step.number:g}, which is no mask", step.node)
    if draft.sink:
        raise Unmatched("a bias is added after the sink", step.node)
    name = _broadcast(draft, step)
    draft.gated = step.kind == "gate" or (draft.gated and step.kind != "add")
    if step.kind == "add":
        found = MaskStep("add", step.node, factor=step.number)
    else:
        fill = GATED if step.kind == "gate" else step.number
        found = MaskStep("keep", step.node, fill=fill, inverted=step.inverted)
    draft.mask.append((found, name))


def _mask_again(draft: Draft, node: ir.Node, inverted: bool) -> None:
    """Probabilities zeroed where scores were masked: rows without any other key are zeros.

    A mask of its own would take probability away without giving it to the other keys.
    """
    condition = _condition(node)
    shape = draft.facts.shape(condition)
    if shape and shape[-1] == 1:  # whole rows, which the proof shows to be the empty ones
        draft.zero_rows = True
        return
    for i, (step, name) in enumerate(draft.mask):
        if step.kind == "keep" and step.inverted == inverted and _condition(step.node) is condition:
            draft.mask[i] = (replace(step, fill=-math.inf), name)
            draft.zero_rows = True
            return
    raise Unmatched("probabilities are masked where no scores were", node)


def _condition(node: ir.Node) -> ir.Value | None:
    """Return what decides a Where, before it is repeated to its size."""
    value = node.inputs[0]
    while value is not None and (producer := value.producer()) is not None:
        if producer.op_type not in ("Expand", "Identity"):
            break
        value = producer.inputs[0]
    return value


def _broadcast(draft: Draft, step: Step) -> str:
    """Add an operand that is broadcast against the scores; return its role's name."""
    assert step.other is not None
    name = f"{step.kind}{len(draft.mask)}"
    held = dict(draft.frame.views)
    for view, loose in (
        (view_of(step.other, draft.facts), False),
        (base_view(step.other, draft.facts), False),
        (base_view(step.other, draft.facts), True),
    ):
        if view is None:
            raise Unmatched("the rank of a bias or mask is unknown", step.node)
        draft.frame.views = dict(held)
        draft.frame.put(name, view)
        try:
            _align_right(draft, name, step, loose=loose)
        except AlignError as error:
            problem = error
            continue
        if loose:
            draft.loose.add(name)
        return name
    raise Unmatched(f"bias or mask: {problem}", step.node)


def _align_right(draft: Draft, name: str, step: Step, *, loose: bool) -> None:
    frame = draft.frame
    rank, own = len(frame.axes("scores")), len(frame.axes(name))
    if own > rank:
        raise Unmatched(f"a bias of rank {own} widens scores of rank {rank}", step.node)
    for i in range(own):
        place = rank - own + i
        if step.kind == "sink" and place == rank - 1:
            if frame.axes(name)[i]:
                raise Unmatched("more than one sink per head", step.node)
            continue
        if not frame.axes(name)[i]:
            continue
        if not frame.axes("scores")[place]:
            raise Unmatched("a bias widens an axis of size 1 of the scores", step.node)
        try:
            frame.align("scores", place, name, i)
        except AlignError:
            if not loose or not frame.assume("scores", place, name, i):
                raise


def _softmax(draft: Draft, softmax: ir.Node) -> None:
    attribute = softmax.attributes.get("axis")
    axes = draft.frame.axes("scores")
    axis = axes[(attribute.as_int() if attribute is not None else -1) % len(axes)]
    if axis == axis_of(draft, "keys"):
        return
    if axis != axis_of(draft, "rows"):
        raise Unmatched("the softmax does not run over the keys of the product", softmax)
    for one, other in (("q", "k"), ("rows", "keys")):
        views = draft.frame.views
        views[one], views[other] = views[other], views[one]


def _values(draft: Draft, way: Way) -> None:
    """The product with the values, and the axes of its result."""
    frame, product = draft.frame, way.product
    assert product is not None
    if (way.dropped == 1) != (draft.sink is not None):
        raise Unmatched(
            "a sink is added to the scores and not dropped again, or the reverse", way.at
        )
    if way.weights is not None and draft.sink is not None:
        raise Unmatched("probabilities beside a sink are used elsewhere", way.weights.producer())
    frame.put("probs", unit_view(product.operands[way.operand], frame.axes("scores")))
    for i, node in enumerate([*way.layout, None]):
        if way.weights is not None and i == way.weights_at:
            frame.put("weights", unit_view(way.weights, frame.axes("probs")))
        if node is not None:
            rearrange(frame, "probs", node, draft.facts)
    view, _ = operand_view(product.operands[1 - way.operand], draft.facts, scales=False)
    frame.put("v", view)
    mine, theirs = product.labels[way.operand], product.labels[1 - way.operand]
    for label in mine:
        if label in theirs:
            frame.align("probs", mine.index(label), "v", theirs.index(label))
    summed = [x for x in mine if x in theirs and x not in product.out]
    if len(summed) != 1 or frame.axes("probs")[mine.index(summed[0])] != axis_of(draft, "keys"):
        raise Unmatched("the product with the values does not sum over the keys", product.node)
    own = [x for x in product.out if x in theirs and x not in mine]
    own = [x for x in own if not x.startswith(BROADCAST)] or own
    if len(own) != 1:
        raise Unmatched("the values have no axis of their own", product.node)
    _mark(draft, "value_size", frame.axes("v")[theirs.index(own[0])])
    axes = []
    for label in product.out:
        name, labels = ("probs", mine) if label in mine else ("v", theirs)
        axes.append(frame.axes(name)[labels.index(label)])
    frame.put("out", unit_view(product.node.outputs[0], axes))
    draft.output = product.node.outputs[0]
    if product.scale != 1.0:
        raise Unmatched(f"the product with the values is scaled by {product.scale:g}", product.node)
