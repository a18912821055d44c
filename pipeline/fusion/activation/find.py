"""Recognises GELU, SiLU and their gated forms in any spelling.

    x  ->  x/2 * (1 + erf(x / sqrt(2)))                                    gelu
    x  ->  x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))               gelu-tanh
    x  ->  x * sigmoid(alpha * x)                                          swish (SiLU: alpha = 1)
    act(gate) * up                                                         SwiGLU, GeGLU

Anchor: the Erf, Tanh, Sigmoid or `1 + Exp`. All are `a x + a x f(p(x))` with f odd, so one
formula serves them; a factor that is not 1/2 is kept and multiplied afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone
from pipeline.fusion.refusal import Refusal, Step
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts

Kind = Literal["gelu", "gelu-tanh", "swish"]

CONSTANTS = Step(2, 4)  # whether they are those of a known activation
_ANCHORS = frozenset({"Erf", "Tanh", "Sigmoid", "Exp"})
_THROUGH = frozenset({"Mul", "Div", "Add", "Sub", "Pow", "Neg", "Cast", "Identity"})
_MAX_ROOTS = 8
_ERF = 1 / math.sqrt(2)
_TANH = (math.sqrt(2 / math.pi), 0.044715 * math.sqrt(2 / math.pi))
# Constants are written with few digits (0.7978, 0.044715) or rounded to the graph's precision.
_TOLERANCE = {ir.DataType.FLOAT16: 1e-3, ir.DataType.BFLOAT16: 8e-3}
_SHARP = 2e-4


@dataclass(frozen=True, eq=False)
class ActivationSite(Site):
    """An activation, alone or gating a second tensor.

    Attributes:
        x: What it acts on.
        kind: Which function.
        alpha: The factor inside swish; 1.0 otherwise.
        factor: A constant the activation is multiplied by, mostly 1.0.
        up: The tensor it gates, None when it gates none.
    """

    x: ir.Value
    kind: Kind
    alpha: float
    factor: float
    up: ir.Value | None

    @property
    def operands(self) -> frozenset[ir.Value]:
        """What it acts on and what it gates."""
        return frozenset({self.x} if self.up is None else {self.x, self.up})

    @property
    def form(self) -> str:
        """E.g. `SwiGLU` or `GELU (tanh)`."""
        return activation_name(self.kind, self.alpha, gated=self.up is not None)


def activation_name(kind: Kind, alpha: float, *, gated: bool) -> str:
    """Return the name people use."""
    if kind != "swish":
        return ("GeGLU" if gated else "GELU") + (" (tanh)" if kind == "gelu-tanh" else "")
    if math.isclose(alpha, 1.0, rel_tol=1e-5):
        return "SwiGLU" if gated else "SiLU"
    name = "quick GELU" if math.isclose(alpha, 1.702, rel_tol=1e-3) else f"swish {alpha:.4g}"
    return name + (", gated" if gated else "")


@dataclass(frozen=True)
class _Match:
    kind: Kind
    alpha: float
    factor: float


def find_activations(graph: ir.Graph, facts: Facts) -> Iterator[ActivationSite | Refusal]:
    """Yield every activation written out, and what nearly is one."""
    for node in anchors(graph):
        if node.domain or node.op_type not in _ANCHORS:
            continue
        refusal: Refusal | None = None
        for x in _roots(node, facts):
            result = _match_from(x, node, facts)
            if isinstance(result, ActivationSite):
                yield result
                refusal = None
                break
            refusal = refusal or result
        if refusal is not None:
            yield refusal


def _roots(node: ir.Node, facts: Facts) -> list[ir.Value]:
    """Return what the function's argument may be computed from, nearest first."""
    found: list[ir.Value] = []
    todo = list(node.inputs[:1])
    while todo and len(found) < _MAX_ROOTS:
        value = todo.pop(0)
        if value is None or value in found or facts.scalar(value) is not None:
            continue
        found.append(value)
        producer = value.producer()
        if producer is not None and producer.op_type in _THROUGH and not producer.domain:
            todo += producer.inputs
    return found


def _match_from(x: ir.Value, anchor: ir.Node, facts: Facts) -> ActivationSite | Refusal | None:
    cone = Cone(facts, x)
    tolerance = _TOLERANCE.get(facts.dtype(x) or ir.DataType.FLOAT, _SHARP)
    best: tuple[ir.Value, _Match] | None = None
    miss: Refusal | None = None
    for value in cone.values:
        read = _read(cone.expr(value), cone.leaf, tolerance)
        if read is None or anchor not in cone.between(value):
            continue
        if isinstance(read, str):
            node = value.producer()
            miss = Refusal(anchor, "GELU (tanh)", CONSTANTS, read, node)
        elif facts.dtype(value) == facts.dtype(x) and (best is None or _better(read, best[1])):
            best = value, read
    return miss if best is None else _site(cone, anchor, *best)


def _better(new: _Match, old: _Match) -> bool:
    return new.factor == 1.0 and old.factor != 1.0


def _read(expr: al.Expr | None, x: al.Leaf, tolerance: float) -> _Match | str | None:
    """Return the activation a formula is; a string says why constants fit none."""
    plain = frozenset(((x, 1.0),))
    if expr is None or len(expr.terms) != 2 or plain not in expr.terms:
        return None
    ((gated, b),) = [(m, c) for m, c in expr.terms.items() if m != plain]
    others = [(a, e) for a, e in gated if a != x]
    if len(others) != 1 or (x, 1.0) not in gated or others[0][1] != 1.0:
        return None
    function, a = others[0][0], expr.terms[plain]
    if not isinstance(function, al.Func) or not _near(a, b, tolerance):
        return None
    factor = 1.0 if _near(a, 0.5, tolerance) else 2.0 * a
    return _read_function(function, factor, plain, tolerance)


def _read_function(
    function: al.Func, factor: float, plain: al.Monomial, tolerance: float
) -> _Match | str | None:
    ((x, _),) = plain
    terms, cube = function.arg.terms, frozenset(((x, 3.0),))
    if not terms.keys() <= {plain, cube} or plain not in terms:
        return None
    if function.name == "erf" and len(terms) == 1:
        if _near(terms[plain], _ERF, tolerance):
            return _Match("gelu", 1.0, factor)
        return f"erf is taken of {terms[plain]:.6g} x and not of {_ERF:.6g} x"
    if function.name != "tanh":
        return None
    if len(terms) == 1:
        alpha = 2.0 * terms[plain]
        return _Match("swish", 1.0 if _near(alpha, 1.0, 1e-6) else alpha, factor)
    if _near(terms[plain], _TANH[0], tolerance) and _near(terms[cube], _TANH[1], 10 * tolerance):
        return _Match("gelu-tanh", 1.0, factor)
    found = f"{terms[plain]:.6g} x + {terms[cube]:.6g} x^3"
    return f"tanh is taken of {found} and not of {_TANH[0]:.6g} x + {_TANH[1]:.6g} x^3"


def _near(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance * abs(b)


def _site(cone: Cone, anchor: ir.Node, value: ir.Value, match: _Match) -> ActivationSite:
    nodes, up = cone.between(value), None
    gate = _gating(value, cone.facts)
    if gate is not None:
        node, up = gate
        nodes, value = nodes | {node}, node.outputs[0]
    return ActivationSite(
        anchor,
        nodes,
        (value,),
        x=cone.x,
        kind=match.kind,
        alpha=match.alpha,
        factor=match.factor,
        up=up,
    )


def _gating(value: ir.Value, facts: Facts) -> tuple[ir.Node, ir.Value] | None:
    """Return the only consumer and its other operand when the activation gates a tensor."""
    users = list(value.consumers())
    if len(users) != 1 or value.is_graph_output() or users[0].op_type != "Mul" or users[0].domain:
        return None
    up = next((v for v in users[0].inputs if v is not value), None)
    same = up is not None and facts.shape(up) == facts.shape(value) is not None
    return (users[0], up) if same and up is not None else None
