"""The cone of a tensor: the formulas of everything computed elementwise or by reduction from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.formulas import algebra as al
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE, Dim, product
from pipeline.operators import RESHAPES

MAX_DEPTH = 20
MAX_NODES = 120
_FLOATS = frozenset(
    {ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}
)
_REDUCTIONS = frozenset(
    {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2", "ReduceMax", "ReduceLogSumExp"}
)


@dataclass(frozen=True)
class Form:
    """A formula, and the axes (from the end) that a reduction dropped and nobody restored."""

    expr: al.Expr
    lost: tuple[int, ...] = ()


class Cone:
    """Formulas over `x` of the values downstream of it.

    Args:
        facts: Shapes and constants of the graph.
        x: The tensor everything is expressed in.
        admit: Whether another tensor may occur in a formula; what is computed with any other
            tensor is left out, which keeps cones small.
    """

    def __init__(
        self, facts: Facts, x: ir.Value, admit: Callable[[ir.Value], bool] = lambda _: False
    ) -> None:
        self.facts, self.x, self._admit = facts, x, admit
        self.shape: tuple[Dim, ...] = facts.shape(x) or ()
        self.leaf = al.Leaf(x)
        self._forms: dict[ir.Value, Form | None] = {x: Form(al.atom(self.leaf))}
        self.nodes = _reach(x)
        for node in self.nodes:
            self._form(node.outputs[0])

    @property
    def values(self) -> list[ir.Value]:
        """The downstream values that have a formula, nearest first."""
        found = (node.outputs[0] for node in self.nodes)
        return [v for v in found if self.expr(v) is not None]

    def expr(self, value: ir.Value) -> al.Expr | None:
        """Return the formula of a value with all its axes in place, None when it has none."""
        form = self._forms.get(value)
        return form.expr if form is not None and not form.lost else None

    def between(self, output: ir.Value) -> frozenset[ir.Node]:
        """Return the nodes of the cone that a value is computed by."""
        found: set[ir.Node] = set()
        todo = [output]
        while todo:
            node = todo.pop().producer()
            if node is not None and node in self.nodes and node not in found:
                found.add(node)
                todo += [v for v in node.inputs if v is not None]
        return frozenset(found)

    def count(self, axes: Sequence[int]) -> int | None:
        """Return how many elements of x lie along the axes, None when that is symbolic."""
        return product([self.shape[a] for a in axes]).const if self._has(axes) else None

    def constant_along(self, of: al.Atom, axes: Sequence[int]) -> bool:
        """Return whether the atom is the same everywhere along the axes."""
        if of == self.leaf:
            return False
        if isinstance(of, al.Func):
            if of.axes:
                return set(axes) <= set(of.axes) or self._constant(of.arg, axes)
            return self._constant(of.arg, axes)
        shape = self.facts.shape(of.value)
        return shape is not None and all(-a > len(shape) or shape[a] == ONE for a in axes)

    def _constant(self, arg: al.Expr, axes: Sequence[int]) -> bool:
        return all(self.constant_along(a, axes) for m in arg.terms for a, _ in m)

    def _has(self, axes: Sequence[int]) -> bool:
        return all(-a <= len(self.shape) for a in axes)

    def _form(self, value: ir.Value | None) -> Form | None:
        if value is None:
            return None
        if value not in self._forms:
            self._forms[value] = None  # a cycle or an error leaves it without a formula
            with suppress(al.TooComplexError, OverflowError, ZeroDivisionError):
                self._forms[value] = self._compute(value)
        return self._forms[value]

    def _compute(self, value: ir.Value) -> Form | None:
        node = value.producer()
        if node is not None and node in self.nodes:
            return self._apply(node)
        scalar = self.facts.scalar(value)
        if scalar is not None:
            return Form(al.number(scalar))
        return Form(al.leaf(value)) if self._admit(value) else None

    def _apply(self, node: ir.Node) -> Form | None:
        if node.op_type in _REDUCTIONS:
            return self._reduce(node)
        first = self._form(node.inputs[0])
        if first is None:
            return None
        if node.op_type in RESHAPES:
            return self._relaid(node, first)
        if node.op_type == "Expand":
            return None if first.lost else first
        if node.op_type == "Cast":
            return first if self.facts.dtype(node.outputs[0]) in _FLOATS else None
        forms = [first, *(self._form(v) for v in node.inputs[1:] if v is not None)]
        known = [f for f in forms if f is not None]
        lost = {f.lost for f in known if f.expr.const is None}
        if len(known) < len(forms) or len(lost) > 1:
            return None
        result = self._elementwise(node, [f.expr for f in known])
        return None if result is None else Form(result, lost.pop() if lost else ())

    def _elementwise(self, node: ir.Node, args: list[al.Expr]) -> al.Expr | None:
        op = node.op_type
        if op == "Relu":
            return args[0] if self._never_negative(args[0]) else None
        if op == "Clip":
            bounded = len(args) == 2 and node.inputs[1] is not None  # below, and not above
            return self._floor(args[0], args[1]) if bounded else None
        if op == "Max" and len(args) == 2:
            return self._floor(*args) or self._floor(*reversed(args))
        return _elementwise(node, args)

    def _floor(self, arg: al.Expr, bound: al.Expr) -> al.Expr | None:
        if bound.const is None or arg.const is not None:
            return None
        if bound.const <= 0 and self._never_negative(arg):
            return arg
        return al.atom(al.Func("floor", arg, bound=bound.const))

    def _never_negative(self, arg: al.Expr) -> bool:
        """Return whether the formula is a variance, which rounding alone takes below zero.

        It is `a sum(x^2) - b sum(x)^2` with `b n <= a`: n sum(x^2) >= sum(x)^2 (Cauchy, Schwarz).
        """
        x = al.atom(self.leaf)
        functions = (a for m in arg.terms for a, _ in m if isinstance(a, al.Func))
        for axes in {each.axes for each in functions if each.name == "sum"}:
            squares = arg.terms.get(frozenset(((al.Func("sum", x.power(2), axes), 1.0),)), 0.0)
            total = arg.terms.get(frozenset(((al.Func("sum", x, axes), 2.0),)), 0.0)
            count = self.count(axes)
            if count and len(arg.terms) == 2 and squares > 0:
                return -total * count <= squares * (1 + 1e-6)
        return False

    def _reduce(self, node: ir.Node) -> Form | None:
        form, axes = self._form(node.inputs[0]), reduced_axes(node, self.facts)
        if form is None or form.lost or not axes or not self._has(axes):
            return None
        expr = self._reduced(node.op_type, form.expr, axes)
        keep = node.attributes.get_int("keepdims", 1)
        return Form(expr, () if keep else axes)

    def _reduced(self, op: str, arg: al.Expr, axes: tuple[int, ...]) -> al.Expr:
        if op == "ReduceMax":
            return al.atom(al.Func("max", arg, axes))
        if op == "ReduceLogSumExp":
            return al.logarithm(self._sum(al.exponential(arg), axes))
        if op in ("ReduceSumSquare", "ReduceL2"):
            total = self._sum(arg.power(2), axes)
            return total.power(0.5) if op == "ReduceL2" else total
        total = self._sum(arg, axes)
        if op == "ReduceSum":
            return total
        count = self.count(axes)
        if count:
            return total.scaled(1.0 / count)
        return total * al.atom(al.Func("count", al.number(1.0), axes)).power(-1)

    def _sum(self, arg: al.Expr, axes: tuple[int, ...]) -> al.Expr:
        return al.summed(arg, axes, self.count(axes), lambda a: self.constant_along(a, axes))

    def _relaid(self, node: ir.Node, form: Form) -> Form | None:
        """Accept a reshape that changes nothing, or that puts dropped axes back as ones."""
        before, after = self.facts.shape(node.inputs[0]), self.facts.shape(node.outputs[0])
        if before is None or after is None:
            return None
        if form.lost:
            whole = len(after) == len(self.shape) and all(after[a] == ONE for a in form.lost)
            return Form(form.expr) if whole else None
        return form if before == after else None


def reduced_axes(node: ir.Node, facts: Facts) -> tuple[int, ...]:
    """Return the axes a reduction runs over, counted from the end; empty when unknown."""
    shape = facts.shape(node.inputs[0])
    axes: Sequence[int] = node.attributes.get_ints("axes", ())
    if not axes and len(node.inputs) > 1 and node.inputs[1] is not None:
        array = facts.const(node.inputs[1])
        axes = [] if array is None else [int(a) for a in array.reshape(-1)]
    if shape is None or not axes:
        return ()
    return tuple(sorted(a if a < 0 else a - len(shape) for a in axes))


def _reach(x: ir.Value) -> dict[ir.Node, None]:
    """Return the nodes with algebra downstream of x, nearest first."""
    found: dict[ir.Node, None] = {}
    todo = deque([(x, 0)])
    while todo and len(found) < MAX_NODES:
        value, depth = todo.popleft()
        for node in value.consumers():
            if node in found or depth >= MAX_DEPTH or not _understood(node):
                continue
            found[node] = None
            todo.append((node.outputs[0], depth + 1))
    return found


def _understood(node: ir.Node) -> bool:
    if node.domain not in ("", "ai.onnx") or len(node.outputs) != 1:
        return False
    return node.op_type in _REDUCTIONS | RESHAPES | _UNARY.keys() | _BINARY or (
        node.op_type in {"Expand", "Cast", "Clip", "Relu", "Sum"}
    )


_BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max"})
_UNARY: dict[str, Callable[[al.Expr], al.Expr]] = {
    "Identity": lambda a: a,
    "Neg": lambda a: a.scaled(-1.0),
    "Sqrt": lambda a: a.power(0.5),
    "Reciprocal": lambda a: a.power(-1.0),
    "Exp": al.exponential,
    "Log": al.logarithm,
    "Tanh": lambda a: al.odd("tanh", a),
    "Erf": lambda a: al.odd("erf", a),
    "Sigmoid": al.sigmoid,
}


def _elementwise(node: ir.Node, args: list[al.Expr]) -> al.Expr | None:
    op = node.op_type
    if op in _UNARY:
        return _UNARY[op](args[0])
    if op == "Sum":
        return sum(args[1:], start=args[0])
    if len(args) != 2:
        return None
    left, right = args
    match op:
        case "Add":
            return left + right
        case "Sub":
            return left - right
        case "Mul":
            return left * right
        case "Div":
            return left * right.power(-1.0)
        case _:
            return left.power(right.const) if right.const is not None else None
