"""Recognises LayerNorm and RMSNorm, native operators aside, in any spelling.

    x, w, b  ->  (x - mean(x)) / sqrt(var(x) + eps) * w + b        LayerNorm
    x, w     ->  x / sqrt(mean(x^2) + eps) * w                      RMSNorm

Anchor: a reduction of squares. Seen through: any order of factors, reciprocal roots, float32
islands between Casts, variance as a difference of means or over N - 1, `1 + w`, missing weight or
bias, |x| instead of the mean square. Normalised are the last axes, or one other axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone
from pipeline.fusion.norm.match import Miss, NormFormula, match_norm
from pipeline.fusion.norm.site import Affine, NormSite, trailing
from pipeline.fusion.norm.steps import AXES
from pipeline.fusion.refusal import WRITTEN, Refusal
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.views.walks import behind
from pipeline.operators import CASTS

_SQUARES = frozenset({"ReduceL2", "ReduceSumSquare"})
_MEANS = frozenset({"ReduceMean", "ReduceSum"})


def find_norms(graph: ir.Graph, facts: Facts) -> Iterator[NormSite | Refusal]:
    """Yield every norm that is not an operator yet, and what nearly is one."""
    taken: set[ir.Node] = set()
    for node in anchors(graph):
        if node in taken:
            continue
        outputs: set[ir.Value] = set()
        while node.graph is graph and (found := _next(node, outputs, facts)) is not None:
            yield found
            if isinstance(found, Refusal):
                break
            taken |= found.nodes
            outputs |= {*found.outputs}


def _next(anchor: ir.Node, outputs: Set[ir.Value], facts: Facts) -> NormSite | Refusal | None:
    """Return a norm around a reduction with another output than these, else why there is none."""
    misses: list[tuple[Miss, ir.Node]] = []
    for x in _candidates(anchor, facts):
        found = list(_match_from(x, anchor, facts))
        sites = [site for site in found if isinstance(site, NormSite)]
        if sites:
            return next((site for site in sites if site.outputs[0] not in outputs), None)
        misses += [miss for miss in found if not isinstance(miss, NormSite)]
        # from AXES on the formula was a norm's; another reading of it is not wanted
        if any(miss.step >= AXES for miss, _ in misses):
            break
    if outputs or not misses:
        return None
    miss, at = max(misses, key=lambda m: m[0].step)
    return Refusal(anchor, miss.nearest, miss.step, miss.reason, at, miss.remedy)


def _candidates(node: ir.Node, facts: Facts) -> list[ir.Value]:
    """Return what a reduction of squares may be normalising, the likeliest first."""
    if node.domain or not node.inputs or node.op_type not in _SQUARES | _MEANS:
        return []
    inner = node.inputs[0]
    if node.op_type in _MEANS:
        inner = _squared(_uncast(inner), facts)
    if inner is None:
        return []
    found: list[ir.Value] = []
    for value in (_minuend(_uncast(inner)), inner):
        if value is not None:
            found += [v for v in (_uncast(value), value) if v is not None and v not in found]
    return found


def _uncast(value: ir.Value | None) -> ir.Value | None:
    return None if value is None else behind(value, CASTS)


def _squared(value: ir.Value | None, facts: Facts) -> ir.Value | None:
    """Return the base of a square, None when the value is no square."""
    node = value.producer() if value is not None else None
    if node is None or node.domain:
        return None
    if node.op_type == "Mul" and _uncast(node.inputs[0]) is not None:
        left, right = (_uncast(v) for v in node.inputs)
        same = left is right or _minuend(left) is _minuend(right) is not None
        return node.inputs[0] if same else None
    if node.op_type == "Pow" and facts.scalar(node.inputs[1]) == 2.0:
        base = node.inputs[0]
        inner = base.producer() if base is not None else None
        return inner.inputs[0] if inner is not None and inner.op_type == "Abs" else base
    return None


def _minuend(value: ir.Value | None) -> ir.Value | None:
    node = value.producer() if value is not None else None
    return node.inputs[0] if node is not None and node.op_type == "Sub" else None


def _match_from(
    x: ir.Value, anchor: ir.Node, facts: Facts
) -> Iterator[NormSite | tuple[Miss, ir.Node]]:
    shape, dtype = facts.shape(x), facts.dtype(x)
    if not shape or dtype is None:
        return
    cone = Cone(facts, x, lambda v: _narrower(facts.shape(v), shape))
    if anchor not in cone.nodes:
        return
    read: dict[ir.Value, NormFormula] = {}
    for value in cone.values:
        expr = cone.expr(value)
        match = match_norm(expr, cone) if expr is not None else None
        if isinstance(match, NormFormula):
            match = _check_roles(match, cone)
        producer = value.producer()
        if isinstance(match, Miss) and producer is not None:
            yield match, producer
        elif isinstance(match, NormFormula):
            read[value] = match
    for value, nodes in _ends(read, cone):
        if anchor not in nodes:
            continue  # a norm of x with a reduction of its own
        site = _site(value, nodes, read[value], cone, anchor)
        yield site if isinstance(site, NormSite) else (site, anchor)


def _ends(
    read: dict[ir.Value, NormFormula], cone: Cone
) -> Iterator[tuple[ir.Value, frozenset[ir.Node]]]:
    """Yield the last values of which only they need what came before, with their nodes."""
    dtype, taken = cone.facts.dtype(cone.x), set[ir.Node]()
    for value in reversed(read):
        nodes = cone.between(value)
        if value.producer() in taken:
            continue
        inner = [v for v in read if v is not value and v.producer() in nodes]
        private = all(set(v.consumers()) <= nodes and not v.is_graph_output() for v in inner)
        fits = cone.facts.dtype(value) == dtype and cone.facts.shape(value) == cone.shape
        if private and fits:
            taken |= nodes
            yield value, nodes


def _narrower(shape: tuple[Dim, ...] | None, x: tuple[Dim, ...]) -> bool:
    """Whether a tensor may be a weight of x rather than a second stream beside it."""
    if shape is None or len(shape) > len(x):
        return False
    return len(x) == 1 or shape != x


def _check_roles(match: NormFormula, cone: Cone) -> NormFormula | Miss | None:
    """Refuse axes and weights that no norm operator has; None skips a value beyond the norm."""
    if not trailing(match.axes) and len(match.axes) > 1:
        reason = f"the normalised axes {list(match.axes)} are neither the last ones nor one axis"
        return Miss(AXES, reason, "BatchNormalization")
    weight, bias = _affine(match.weight, match.axes, cone), _affine(match.bias, match.axes, cone)
    if weight is not None and bias is not None and (match.centred or bias.is_zero):
        return match
    if len(match.axes) > 1 and (weight is None or bias is None):
        reason = f"weight or bias vary outside the normalised axes {list(match.axes)}"
        return Miss(WRITTEN, reason, "InstanceNormalization or GroupNormalization")
    return None


def _affine(expr: al.Expr, axes: tuple[int, ...], cone: Cone) -> Affine | None:
    """Return the formula as one tensor over the normalised axes, scaled and shifted."""
    offset, value, factor = expr.terms.get(al.UNIT, 0.0), None, 0.0
    for monomial, c in expr.terms.items():
        if monomial == al.UNIT:
            continue
        pair = next(iter(monomial))
        if value is not None or len(monomial) > 1 or pair[1] != 1.0:
            return None
        if not isinstance(pair[0], al.Leaf) or not _fits(pair[0].value, axes, cone):
            return None
        value, factor = pair[0].value, c
    return Affine(value, factor, offset)


def _fits(value: ir.Value, axes: tuple[int, ...], cone: Cone) -> bool:
    shape = cone.facts.shape(value) or ()
    ends = range(-len(shape), 0)
    return all(shape[a] == ONE or (a in axes and shape[a] == cone.shape[a]) for a in ends)


def _site(
    output: ir.Value,
    nodes: frozenset[ir.Node],
    match: NormFormula,
    cone: Cone,
    anchor: ir.Node,
) -> NormSite | Miss:
    joined = _joined_axes(cone, match)
    if joined is not None:
        return joined
    if cone.facts.dtype(cone.x) == ir.DataType.DOUBLE:
        return Miss(WRITTEN, "x is float64 and norm operators keep float32 statistics", "LayerNorm")
    weight, bias = _affine(match.weight, match.axes, cone), _affine(match.bias, match.axes, cone)
    sizes = [cone.shape[a].const for a in match.axes]
    assert weight is not None  # _check_roles saw to it
    assert bias is not None
    return NormSite(
        anchor,
        nodes,
        (output,),
        x=cone.x, centred=match.centred, axes=match.axes,
        sizes=tuple(s for s in sizes if s is not None), weight=weight, bias=bias,
        epsilon=match.epsilon, outer_epsilon=match.outer,
    )  # fmt: skip


def _joined_axes(cone: Cone, match: NormFormula) -> Miss | None:
    """Refuse a norm over several axes that a reshape made one: group and instance norms."""
    node, count = cone.x.producer(), cone.count(match.axes) or 1
    if node is None or node.op_type != "Reshape" or not match.weight.const:
        return None
    before = cone.facts.shape(node.inputs[0])
    if not before or len(before) < 3 or (before[-1] % count).const == 0:
        return None
    reason = f"the {count} normalised elements are several axes joined by a reshape"
    return Miss(AXES, reason, "GroupNormalization or InstanceNormalization")
