"""Recognises rotary position embedding in any spelling, and repairs the operator's inputs.

    y[i]   = x[i] cos[p] - x[j] sin[p]
    y[j]   = x[j] cos[p] + x[i] sin[p]      (i, j) = (p, p + r/2) half-split, (2p, 2p+1) interleaved
    y[k]   = x[k]                           k >= r: partial rotation

Anchor: a sum of two products, or a Concat of such sums. Entries of x may be cut, negated and
joined by any Slice, Split, Concat, strided slice or reshape into pairs. That cos and sin hold
each value twice is shown on their own columns; where it cannot be, the site is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.formulas.columns import INDEXING
from pipeline.fusion.refusal import Refusal, Step
from pipeline.fusion.rotary.match import Rotation, match_rotation
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE
from pipeline.graph.views.view import View, view_of
from pipeline.graph.views.walks import behind
from pipeline.operators import CASTS

EQUAL = Step(2, 4)  # whether the columns that turn a pair hold equal numbers
PER_ROW = Step(3, 4)  # whether there is one row of cos and sin per position
_MAX_CANDIDATES = 12
_BETWEEN = INDEXING | CASTS | {"Add", "Sub", "Mul", "Neg"}


@dataclass(frozen=True, eq=False)
class RotarySite(Site):
    """A rotation of the first features of x.

    Attributes:
        x: [batch, heads, length, head], [batch, length, heads, head] or [batch, length, head];
            its type may be narrower than the angles', which the output has.
        cos, sin: The factors as they are multiplied, aligned with x.
        rotation: Which columns turn with which, and where their cos and sin lie.
        head_axis: 1 or 2, or None when x has no axis for heads.
        projected: x as a view of what has the length before the heads, as projections write it;
            None where x is no such view.
    """

    x: ir.Value
    cos: ir.Value
    sin: ir.Value
    rotation: Rotation
    head_axis: int | None
    projected: View | None = None

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The rotated tensor, or what it is a view of; cos and sin are recomputed."""
        return frozenset({self.x if self.projected is None else self.projected.base})

    @property
    def form(self) -> str:
        """E.g. `half-split 16 of 64`."""
        kind = "interleaved" if self.rotation.interleaved else "half-split"
        part = f" {self.rotation.width} of {self.rotation.size}"
        return kind + (part if self.rotation.width < self.rotation.size else f" {part.split()[0]}")


def find_rotaries(graph: ir.Graph, facts: Facts) -> Iterator[RotarySite | Refusal]:
    """Yield every rotation written out, outermost form first, and what nearly is one."""
    taken: set[ir.Node] = set()
    for node in anchors(graph):
        if node in taken or not (products := _products(node)):
            continue
        refusal: Refusal | None = None
        for value in _outward(node.outputs[0]):
            found = _match_any(value, products, node, facts)
            if isinstance(found, RotarySite):
                yield found
                taken, refusal = taken | found.nodes, None
                break
            refusal = refusal or found
        if refusal is not None:
            yield refusal


def _products(node: ir.Node) -> list[ir.Node]:
    """Return the Mul nodes of a sum of products, or of a Concat of such sums."""
    if node.domain:
        return []
    if node.op_type in ("Add", "Sub"):
        terms = [behind(v, CASTS).producer() for v in node.inputs if v is not None]
        found = [n for n in terms if n is not None and n.op_type == "Mul" and not n.domain]
        return found if len(found) == len(terms) == 2 else []
    return []


def _outward(value: ir.Value) -> list[ir.Value]:
    """Return the value and the few it leads to through joins and casts, outermost first."""
    chain = [value]
    while len(chain) < 5:
        users = [n for n in chain[-1].consumers() if n.op_type in _JOINS and not n.domain]
        if len(users) != 1 or len(list(chain[-1].consumers())) != 1 or chain[-1].is_graph_output():
            break
        chain.append(users[0].outputs[0])
    return chain[::-1]


_JOINS = frozenset({"Concat", "Cast", "Reshape", "Unsqueeze", "Flatten"})


def _match_any(
    value: ir.Value, products: list[ir.Node], anchor: ir.Node, facts: Facts
) -> RotarySite | Refusal | None:
    """Try what the products multiply, and what that was cut from, as the rotated tensor."""
    shape = facts.shape(value)
    if shape is None or len(shape) not in (3, 4):
        return None
    refusal: Refusal | None = None
    for x in _candidates(products):
        if facts.shape(x) != shape:
            continue
        result = match_rotation(value, x, facts)
        if isinstance(result, Rotation):
            if {facts.dtype(result.cos), facts.dtype(result.sin)} != {facts.dtype(value)}:
                continue  # turned in a wider type: the rotation is what lies between the Casts
            return _site(value, x, result, anchor, facts)
        if result is not None:
            remedy = "build cos and sin as a Concat of the same half twice"
            refusal = Refusal(anchor, "RotaryEmbedding", EQUAL, result, anchor, remedy)
    return refusal


def _candidates(products: list[ir.Node]) -> list[ir.Value]:
    found: list[ir.Value] = []
    todo = [v for node in products for v in node.inputs]
    while todo and len(found) < _MAX_CANDIDATES:
        value = todo.pop(0)
        if value is None or value in found:
            continue
        found.append(value)
        node = value.producer()
        if node is not None and node.op_type in INDEXING | CASTS | {"Neg"} and not node.domain:
            todo += node.inputs if node.op_type == "Concat" else node.inputs[:1]
    return found


def _site(
    value: ir.Value, x: ir.Value, rotation: Rotation, anchor: ir.Node, facts: Facts
) -> RotarySite | Refusal:
    head_axis, reason = _head_axis(x, rotation, facts)
    if reason:
        return Refusal(anchor, "RotaryEmbedding", PER_ROW, reason, anchor)
    return RotarySite(
        anchor,
        _between(value, x),
        (value,),
        x=x,
        cos=rotation.cos,
        sin=rotation.sin,
        rotation=rotation,
        head_axis=head_axis,
        projected=_projected(x, facts) if head_axis == 1 else None,
        evidence=rotation.relied,
    )


def _projected(x: ir.Value, facts: Facts) -> View | None:
    view = view_of(x, facts)
    if view is None or view.base is x or len(view.axes) != 4:
        return None
    batch, heads, length, size = view.axes
    held = [factor for axis in view.source for factor in axis]
    return view if held == [*batch, *length, *heads, *size] else None


def _head_axis(x: ir.Value, rotation: Rotation, facts: Facts) -> tuple[int | None, str]:
    """Return which axis of x cos and sin do not vary along, or why there is none."""
    shape = facts.shape(x) or ()
    for factor in (rotation.cos, rotation.sin):
        given = facts.shape(factor) or ()
        lead = (ONE,) * (len(shape) - len(given)) + given
        axes = [1, 2] if len(shape) == 4 else []
        free = [a for a in axes if lead[a] == ONE and lead[3 - a] == shape[3 - a]]
        batch = lead[0] in (ONE, shape[0])
        if len(given) > len(shape) or not batch or (len(shape) == 4 and not free):
            said = ", ".join(str(d) for d in given)
            return None, f"{factor.name or 'cos'} has shape [{said}]: not one row per position"
        if len(shape) == 3 and lead[1] != shape[1]:
            return None, f"{factor.name or 'cos'} is not given for every position"
    return (free[0] if len(shape) == 4 else None), ""


def _between(value: ir.Value, x: ir.Value) -> frozenset[ir.Node]:
    """Return the nodes on paths from x to the value."""
    found: set[ir.Node] = set()
    known: dict[ir.Value, bool] = {x: True}

    def reaches(at: ir.Value | None) -> bool:
        if at is None:
            return False
        if at not in known:
            known[at] = False
            node = at.producer()
            if node is not None and node.op_type in _BETWEEN and not node.domain:
                known[at] = sum(reaches(v) for v in node.inputs) > 0  # visit every input
                if known[at]:
                    found.add(node)
        return known[at]

    reaches(value)
    return frozenset(found)
