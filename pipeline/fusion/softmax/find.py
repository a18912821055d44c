"""Recognises softmax written out, so that attention needs to know one operator only.

    x  ->  exp(x - m) / sum(exp(x - m))        for any m constant along the axis, also none
    x  ->  exp(x - logsumexp(x))               also as Exp of LogSoftmax

Anchor: a sum of exponentials, or a LogSoftmax. Where no maximum is subtracted the operator
is the same function and only overflows later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone, reduced_axes
from pipeline.fusion.refusal import Refusal, Step
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.walks import behind
from pipeline.operators import CASTS

DIVISOR = Step(2, 3)  # whether it is the sum of the exponentials and nothing else
_NEAR = 12
_PRODUCTS = frozenset({"MatMul", "Einsum", "Gemm"})
_BETWEEN = frozenset(
    {"Cast", "Identity", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Mul", "Where", "Expand"}
)
_SUMS = frozenset({"ReduceSum", "ReduceLogSumExp"})


@dataclass(frozen=True, eq=False)
class SoftmaxSite(Site):
    """A softmax that is not a Softmax along the last axis.

    Attributes:
        x: The scores.
        axis: The axis from the end, negative.
        stable: Whether a value was subtracted before the exponential.
        product: Whether a matrix product reads the probabilities, as in attention; then the
            axis is wanted last.
    """

    x: ir.Value
    axis: int
    stable: bool
    product: bool

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The scores."""
        return frozenset({self.x})

    @property
    def form(self) -> str:
        """E.g. `axis -1`."""
        return f"axis {self.axis}" + ("" if self.stable else ", no maximum subtracted")


def find_softmaxes(graph: ir.Graph, facts: Facts) -> Iterator[SoftmaxSite | Refusal]:
    """Yield softmaxes written out, and Softmax operators on a wrong axis for a product."""
    for node in anchors(graph):
        if node.domain:
            continue
        if node.op_type in _SUMS:
            yield from _written_out(node, facts)
        elif node.op_type == "LogSoftmax":
            yield from _exp_of_log(node, facts)
        elif node.op_type == "Softmax":
            shape = facts.shape(node.outputs[0])
            axis = node.attributes.get_int("axis", -1)
            x = node.inputs[0]
            if shape is None or axis in (-1, len(shape) - 1) or x is None:
                continue
            site = _softmax(node, frozenset({node}), node.outputs[0], x, axis, len(shape))
            if site.product:
                yield site


def _exp_of_log(node: ir.Node, facts: Facts) -> Iterator[SoftmaxSite]:
    shape, x = facts.shape(node.outputs[0]), node.inputs[0]
    axis = node.attributes.get_int("axis", -1)
    for user in node.outputs[0].consumers():
        if user.op_type == "Exp" and shape is not None and x is not None:
            yield _softmax(node, frozenset({node, user}), user.outputs[0], x, axis, len(shape))


def _softmax(
    anchor: ir.Node,
    nodes: frozenset[ir.Node],
    output: ir.Value,
    x: ir.Value,
    axis: int,
    rank: int,
    *,
    stable: bool = True,
) -> SoftmaxSite:
    axis = axis if axis < 0 else axis - rank
    product = _meets_product(output)
    return SoftmaxSite(anchor, nodes, (output,), x=x, axis=axis, stable=stable, product=product)


def _meets_product(value: ir.Value) -> bool:
    """Return whether a matrix product reads the value, through layouts, casts and masks."""
    todo, seen = [value], set[ir.Node]()
    while todo and len(seen) < _NEAR:
        for node in todo.pop().consumers():
            if node.op_type in _PRODUCTS:
                return True
            if node.op_type in _BETWEEN and node not in seen:
                seen.add(node)
                todo.append(node.outputs[0])
    return False


def _written_out(node: ir.Node, facts: Facts) -> Iterator[SoftmaxSite | Refusal]:
    axes = reduced_axes(node, facts)
    if len(axes) != 1 or node.inputs[0] is None:
        return
    log = node.op_type == "ReduceLogSumExp"
    exponential = _exponential(node.inputs[0])
    exponent = node.inputs[0] if log else exponential.inputs[0] if exponential else None
    if exponent is None:
        return
    shifted = exponent.producer()
    subtracted = shifted is not None and shifted.op_type == "Sub" and not shifted.domain
    candidates = [shifted.inputs[0], exponent] if shifted is not None and subtracted else [exponent]
    refusal: Refusal | None = None
    for x in candidates:
        result = _match_from(x, node, axes, facts) if x is not None else None
        if isinstance(result, SoftmaxSite):
            yield result
            return
        refusal = refusal or result
    if refusal is not None:
        yield refusal


def _exponential(value: ir.Value) -> ir.Node | None:
    """Return the Exp node behind a value, through Casts."""
    node = behind(value, CASTS).producer()
    return node if node is not None and node.op_type == "Exp" and not node.domain else None


def _match_from(
    x: ir.Value, anchor: ir.Node, axes: tuple[int, ...], facts: Facts
) -> SoftmaxSite | Refusal | None:
    shape = facts.shape(x)
    if not shape:
        return None
    cone = Cone(facts, x, lambda v: _flat_along(v, axes[0], len(shape), facts))
    numerator = al.exponential(al.atom(cone.leaf))
    total = al.summed(numerator, axes, None, lambda _: False)
    wanted = numerator * total.power(-1.0)
    for value in cone.values:
        if cone.expr(value) != wanted or facts.dtype(value) != facts.dtype(x):
            continue
        nodes = cone.between(value)
        if anchor in nodes:
            stable = any(n.op_type in ("Sub", "ReduceLogSumExp") for n in nodes)
            return _softmax(anchor, nodes, value, x, axes[0], len(shape), stable=stable)
    return _near_miss(cone, anchor, total)


def _flat_along(value: ir.Value, axis: int, rank: int, facts: Facts) -> bool:
    """Whether a subtracted tensor is constant along the axis, so that it cancels."""
    shape = facts.shape(value)
    return shape is not None and len(shape) <= rank and (-axis > len(shape) or shape[axis] == 1)


def _near_miss(cone: Cone, anchor: ir.Node, total: al.Expr) -> Refusal | None:
    """Return a refusal for exponentials divided by nearly their own sum."""
    own = next(iter(next(iter(total.terms))))
    for value in cone.values:
        for monomial in (cone.expr(value) or al.number(0.0)).terms:
            for each, exponent in monomial:
                if exponent != -1.0 or not isinstance(each, al.Func) or each.name != "root":
                    continue
                rest = [m for m in each.arg.terms if own not in m]
                if 0 < len(rest) < len(each.arg.terms):
                    extra = al.Expr({m: each.arg.terms[m] for m in rest})
                    reason = f"beside the sum of exponentials the divisor holds {extra!r}"
                    remedy = "concatenate it to the scores as one more logit"
                    node = value.producer()
                    return Refusal(anchor, "Softmax", DIVISOR, reason, node, remedy)
    return None
