"""Algebra: elementwise formulas as polynomials, so that equal formulas compare equal.

Exporters write one formula in many ways: `x * x` or `Pow(x, 2)`, `Div(1, Sqrt(v))` or
`Pow(v, -0.5)`, a factor before or after a sum. `Expr` multiplies everything out over *atoms*
(tensors and functions of formulas) with real exponents, and applies the few identities that
matter: reductions are linear and let through what is constant along their axes, `exp` of a sum is
a product, `sigmoid(z) = (1 + tanh(z/2)) / 2`. Broadcasting needs no notation: all operands align
at their last axes, and axes are counted from the end.

Recognisers then compare formulas instead of node patterns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

MAX_TERMS = 40
_DIGITS = 6  # coefficients closer than this (relative) are one number: float32 noise


class TooComplexError(Exception):
    """The formula has outgrown what any construct needs; its value is not looked at further."""


@dataclass(frozen=True)
class Leaf:
    """A tensor whose computation is not looked into, or one of the last elements of each row."""

    value: ir.Value
    index: int | None = None


@dataclass(frozen=True)
class Func:
    """A function of a formula: elementwise (`tanh`, `root`) or over axes (`sum`, `max`).

    `root` stands for its argument itself and only ever occurs with an exponent; `floor` is the
    maximum of its argument and the constant `bound`.
    """

    name: str
    arg: Expr
    axes: tuple[int, ...] = ()
    bound: float = 0.0


Atom: TypeAlias = "Leaf | Func"
Monomial: TypeAlias = "frozenset[tuple[Atom, float]]"
UNIT: Monomial = frozenset()


class Expr:
    """An immutable sum of products; two are equal when their terms are."""

    __slots__ = ("_hash", "_key", "terms")

    def __init__(self, terms: Mapping[Monomial, float]) -> None:
        peak = max((abs(c) for c in terms.values()), default=0.0)
        if len(terms) > MAX_TERMS or not math.isfinite(peak):
            raise TooComplexError
        self.terms = {m: c for m, c in terms.items() if abs(c) > 0}
        self._key = frozenset((m, _rounded(c)) for m, c in self.terms.items())
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    @property
    def const(self) -> float | None:
        """The number, or None when an atom occurs."""
        if not self.terms:
            return 0.0
        return self.terms[UNIT] if set(self.terms) == {UNIT} else None

    @property
    def single(self) -> tuple[Monomial, float] | None:
        """The only term, or None."""
        return next(iter(self.terms.items())) if len(self.terms) == 1 else None

    def __add__(self, other: Expr) -> Expr:
        terms = dict(self.terms)
        for monomial, c in other.terms.items():
            before = terms.get(monomial, 0.0)
            total = before + c
            # What cancels to float noise is zero, else x - x would leave a ghost.
            terms[monomial] = 0.0 if abs(total) < 1e-7 * abs(before) else total
        return Expr(terms)

    def scaled(self, factor: float) -> Expr:
        """Return the formula times a number."""
        return Expr({m: c * factor for m, c in self.terms.items()})

    def __sub__(self, other: Expr) -> Expr:
        return self + other.scaled(-1.0)

    def __mul__(self, other: Expr) -> Expr:
        if len(self.terms) * len(other.terms) > MAX_TERMS**2:
            raise TooComplexError
        total: dict[Monomial, float] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                product = times(left, right)
                total[product] = total.get(product, 0.0) + a * b
        return _unrooted(total)

    def power(self, exponent: float) -> Expr:
        """Return the formula to a real power; roots are taken as real and positive."""
        if exponent == int(exponent) and 0 <= exponent <= 4:
            total = number(1.0)
            for _ in range(int(exponent)):
                total = total * self
            return total
        single = self.single
        if single is None:
            return _root(self, exponent)
        monomial, c = single
        whole = exponent == int(exponent)
        if whole or (c > 0 and all(_positive(a) for a, _ in monomial)):
            powers = frozenset((a, _rounded(e * exponent)) for a, e in monomial)
            return _unrooted({powers: float(c**exponent)})
        return _root(self, exponent)

    def __repr__(self) -> str:
        return " + ".join(f"{c:.6g}{_shown(m)}" for m, c in self.terms.items()) or "0"


def number(value: float) -> Expr:
    """Return the constant formula."""
    return Expr({UNIT: float(value)})


def atom(of: Atom) -> Expr:
    """Return the formula that is just this atom."""
    return Expr({frozenset(((of, 1.0),)): 1.0})


def leaf(value: ir.Value) -> Expr:
    """Return the formula that is just this tensor."""
    return atom(Leaf(value))


def times(left: Monomial, right: Monomial) -> Monomial:
    """Return the product of two monomials."""
    powers: dict[Atom, float] = dict(left)
    for of, exponent in right:
        powers[of] = powers.get(of, 0.0) + exponent
    return frozenset((a, e) for a, e in powers.items() if abs(e) > 1e-9)


def _unrooted(terms: Mapping[Monomial, float]) -> Expr:
    """Return the formula, with roots whose exponent has become 1 multiplied out."""
    for monomial, c in terms.items():
        for of, exponent in monomial:
            if exponent == 1.0 and isinstance(of, Func) and of.name == "root":
                rest = {m: x for m, x in terms.items() if m != monomial}
                return _unrooted(rest) + Expr({monomial - {(of, 1.0)}: c}) * of.arg
    return Expr(terms)


def _rounded(c: float) -> float:
    return float(f"{c:.{_DIGITS - 1}e}")


def _positive(of: Atom) -> bool:
    return isinstance(of, Func) and of.name in {"root", "exp"}


def _root(inside: Expr, exponent: float) -> Expr:
    """Return `inside ** exponent` with the scale taken out, so that equal roots are one atom."""
    sigmoid = _as_sigmoid(inside) if exponent == -1.0 else None
    if sigmoid is not None:
        return sigmoid
    scale = max(abs(c) for c in inside.terms.values()) if inside.terms else 1.0
    base = Func("root", inside.scaled(1.0 / scale))
    return Expr({frozenset(((base, float(exponent)),)): scale**exponent})


def _as_sigmoid(inside: Expr) -> Expr | None:
    """Return `1 / (c + c exp(-z))` as a sigmoid of z, None for anything else."""
    other = [m for m in inside.terms if m != UNIT]
    if len(other) != 1 or UNIT not in inside.terms:
        return None
    c, scale = inside.terms[other[0]], inside.terms[UNIT]
    if abs(c - scale) > 1e-6 * abs(scale) or not all(_is_exp(a) for a, _ in other[0]):
        return None
    return sigmoid(logarithm(Expr({other[0]: 1.0})).scaled(-1.0)).scaled(1.0 / scale)


def _is_exp(of: Atom) -> bool:
    return isinstance(of, Func) and of.name == "exp"


def odd(name: str, arg: Expr) -> Expr:
    """Return an odd function (`tanh`, `erf`) of the formula, its sign taken out."""
    if sum(arg.terms.values()) < 0:
        return atom(Func(name, arg.scaled(-1.0))).scaled(-1.0)
    return atom(Func(name, arg))


def sigmoid(arg: Expr) -> Expr:
    """Return the logistic function, written with tanh so that both spellings agree."""
    return number(0.5) + odd("tanh", arg.scaled(0.5)).scaled(0.5)


def exponential(arg: Expr) -> Expr:
    """Return exp of the formula: a product with one factor for each term."""
    total = number(1.0)
    for monomial, c in arg.terms.items():
        if monomial == UNIT:
            total = total.scaled(math.exp(min(c, 700.0)))
            continue
        inner = _only_log(monomial)
        if inner is not None:
            total = total * inner.power(c)
        else:
            factor = frozenset(((Func("exp", Expr({monomial: 1.0})), _rounded(c)),))
            total = total * Expr({factor: 1.0})
    return total


def _only_log(monomial: Monomial) -> Expr | None:
    if len(monomial) != 1:
        return None
    ((of, exponent),) = monomial
    if exponent == 1.0 and isinstance(of, Func) and of.name == "log":
        return of.arg
    return None


def logarithm(arg: Expr) -> Expr:
    """Return log of the formula: a sum with one term for each factor."""
    single = arg.single
    if single is None or single[1] <= 0:
        return atom(Func("log", arg))
    monomial, c = single
    total = number(math.log(c))
    for of, exponent in monomial:
        part = of.arg if isinstance(of, Func) and of.name == "exp" else None
        part = atom(Func("log", atom(of))) if part is None else part
        total = total + part.scaled(exponent)
    return total


def summed(
    arg: Expr, axes: tuple[int, ...], count: float | None, constant: Callable[[Atom], bool]
) -> Expr:
    """Return the sum over axes, term by term, with constant factors outside.

    Args:
        arg: What is summed.
        axes: Axes counted from the end, negative.
        count: How many elements are summed, None when that is not a known number.
        constant: Whether an atom is the same all along the axes.
    """
    total = number(0.0)
    for monomial, c in arg.terms.items():
        outside = frozenset(pair for pair in monomial if constant(pair[0]))
        inside = monomial - outside
        if inside:
            reduced = atom(Func("sum", Expr({inside: 1.0}), axes))
        elif count is not None:
            reduced = number(count)
        else:
            reduced = atom(Func("count", number(1.0), axes))
        total = total + reduced * Expr({outside: c})
    return total


def atoms(of: Expr) -> Iterable[Atom]:
    """Yield every atom of the formula, also inside functions."""
    for monomial in of.terms:
        for each, _ in monomial:
            yield each
            if isinstance(each, Func):
                yield from atoms(each.arg)


def _shown(monomial: Monomial) -> str:
    return "".join(f"·{_name(a)}" + (f"^{e:g}" if e != 1 else "") for a, e in monomial)


def _name(of: Atom) -> str:
    if isinstance(of, Leaf):
        return of.value.name or "?"
    return f"{of.name}{list(of.axes) if of.axes else ''}({of.arg!r})"
