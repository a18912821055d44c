"""Symbolic dimensions: polynomials with integer coefficients over named sizes.

`Dim` is immutable and canonical, so two dims are equal exactly when their polynomials are.
What a polynomial cannot hold (floor division, minimum, an unknown broadcast) is an atom that
remembers its operands, which keeps equal computations equal.

Every named size is at least zero, except names that begin with `?`: those are integers read from
data, of any sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any

from pipeline.graph.sizes import monomials
from pipeline.graph.sizes.monomials import Atom, Monomial, order_of
from pipeline.graph.sizes.signs import is_nonnegative

__all__ = ["ONE", "ZERO", "Atom", "Dim", "is_nonnegative", "product"]

MOST_TERMS = 1024  # a longer product stays unexpanded


class Dim:
    """A size that may depend on named sizes, e.g. `past + seq` or `64*heads`."""

    __slots__ = ("_atoms", "_hash", "_terms", "_weight")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        kept = [(m, c) for m, c in terms.items() if c]
        if len(kept) > 1:
            kept.sort(key=lambda t: (sum(p for _, p in t[0]), [(order_of(a), p) for a, p in t[0]]))
        self._terms: tuple[tuple[Monomial, int], ...] = tuple(kept)
        self._hash = hash(self._terms)
        self._atoms: frozenset[Atom] | None = None
        self._weight = 0

    @staticmethod
    def of(value: int | str | Dim) -> Dim:
        """Return the constant, the named size, or the dim itself."""
        if isinstance(value, Dim):
            return value
        return _named(value) if isinstance(value, str) else _number(int(value))

    @staticmethod
    def _atom(kind: str, left: Dim, right: Dim) -> Dim:
        return Dim({(((kind, left, right), 1),): 1})

    @property
    def is_const(self) -> bool:
        """Whether no named size occurs in it."""
        return all(not m for m, _ in self._terms)

    @property
    def const(self) -> int | None:
        """The number, or None when it depends on named sizes."""
        if not self._terms:
            return 0
        return self._terms[0][1] if self.is_const else None

    @property
    def terms(self) -> tuple[tuple[Monomial, int], ...]:
        """The monomials with their coefficients, in canonical order."""
        return self._terms

    @property
    def atoms(self) -> frozenset[Atom]:
        """Every named size and every atom it depends on, also those inside atoms."""
        if self._atoms is None:
            self._atoms = monomials.atoms_of(self._terms)
        return self._atoms

    @property
    def weight(self) -> int:
        """How much there is to it: names, numbers and atoms, also those inside atoms."""
        if not self._weight:
            self._weight = monomials.weight_of(self._terms)
        return self._weight

    def without(self, monomial: Monomial) -> Dim:
        """Return the sum without one of its terms."""
        return Dim({m: c for m, c in self._terms if m != monomial})

    @property
    def symbols(self) -> frozenset[str]:
        """The named sizes it depends on, also inside atoms."""
        return frozenset(a for a in self.atoms if isinstance(a, str))

    def monomials(self) -> list[tuple[int, list[str]]] | None:
        """Return (coefficient, names with repetition) per term, None where atoms occur."""
        found: list[tuple[int, list[str]]] = []
        for monomial, coefficient in self._terms:
            names: list[str] = []
            for atom, power in monomial:
                if not isinstance(atom, str):
                    return None
                names += [atom] * power
            found.append((coefficient, names))
        return found

    def __add__(self, other: Dim | int) -> Dim:
        terms = dict(self._terms)
        for monomial, coefficient in Dim.of(other)._terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim(terms)

    def __neg__(self) -> Dim:
        return Dim({m: -c for m, c in self._terms})

    def __sub__(self, other: Dim | int) -> Dim:
        return self + (-Dim.of(other))

    def __mul__(self, other: Dim | int) -> Dim:
        other = Dim.of(other)
        if len(self._terms) * len(other._terms) > MOST_TERMS:
            return Dim._atom("*", *sorted((self, other), key=str))
        terms: dict[Monomial, int] = {}
        for left, a in self._terms:
            for right, b in other._terms:
                product = monomials.times(left, right)
                terms[product] = terms.get(product, 0) + a * b
        return Dim(terms)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: int) -> Dim:
        return Dim.of(other) - self

    def exact_div(self, other: Dim | int) -> Dim | None:
        """Return the quotient when the division is exact term by term, else None."""
        divisor = Dim.of(other)
        if divisor == self:
            return ONE
        if not divisor._terms:
            return None
        if len(divisor._terms) > 1:
            return self._divide_sum(divisor)
        monomial, coefficient = divisor._terms[0]
        terms: dict[Monomial, int] = {}
        for mine, c in self._terms:
            rest = monomials.divided(mine, monomial)
            if rest is None or c % coefficient:
                return None
            terms[rest] = c // coefficient
        return Dim(terms)

    def _divide_sum(self, divisor: Dim) -> Dim | None:
        """Divide by a polynomial of several terms: long division on the leading terms."""
        quotient, rest = Dim({}), self
        lead, coefficient = divisor._terms[-1]
        for _ in range(8):
            if not rest._terms:
                return quotient
            mine, c = rest._terms[-1]
            left = monomials.divided(mine, lead)
            if left is None or c % coefficient:
                return None
            step = Dim({left: c // coefficient})
            quotient, rest = quotient + step, rest - step * divisor
        return None

    def __floordiv__(self, other: Dim | int) -> Dim:
        divisor = Dim.of(other)
        exact = self.exact_div(divisor)
        if exact is not None:
            return exact
        by = divisor.const
        if by is None or by <= 0:
            a = self.const
            return Dim._atom("//", self, divisor) if a is None or not by else Dim.of(a // by)
        whole = Dim({m: c // by for m, c in self._terms})
        rest = Dim({m: c % by for m, c in self._terms})
        if rest.is_const:
            return whole
        inner = rest._sole_atom()
        if inner is not None and inner[0] == "//" and (inner[2].const or 0) > 0:
            return whole + inner[1] // (inner[2] * by)
        return whole + Dim._atom("//", rest, divisor)

    def _sole_atom(self) -> tuple[str, Dim, Dim] | None:
        """Return the atom this dim is, if it is nothing else."""
        if len(self._terms) != 1 or self._terms[0][1] != 1 or len(self._terms[0][0]) != 1:
            return None
        atom, power = self._terms[0][0][0]
        return None if power != 1 or isinstance(atom, str) else atom

    def __mod__(self, other: Dim | int) -> Dim:
        divisor = Dim.of(other)
        if self.exact_div(divisor) is not None:
            return ZERO
        return self - (self // divisor) * divisor

    def minimum(self, other: Dim | int) -> Dim:
        """Return the smaller one, as an atom where that is not known."""
        return self._extreme("min", Dim.of(other))

    def maximum(self, other: Dim | int) -> Dim:
        """Return the larger one, as an atom where that is not known."""
        return self._extreme("max", Dim.of(other))

    def _extreme(self, kind: str, other: Dim) -> Dim:
        if is_nonnegative(other - self):
            return self if kind == "min" else other
        if is_nonnegative(self - other):
            return other if kind == "min" else self
        return Dim._atom(kind, *sorted((self, other), key=str))

    def broadcast(self, other: Dim | int) -> Dim:
        """Return the size both broadcast to: the one that is not 1, if they differ."""
        other = Dim.of(other)
        if self == ONE or other in (self, ONE):
            return other if self == ONE else self
        for fixed in (self, other):
            if fixed.is_const:  # not 1, so the other one is equal to it or 1
                return fixed
        parts = monomials.broadcast_parts(self) | monomials.broadcast_parts(other)
        one, *rest = sorted(parts, key=str)
        return reduce(lambda left, right: Dim._atom("broadcast", left, right), rest, one)

    def substitute(self, values: Mapping[Atom, Dim] | Mapping[str, Dim]) -> Dim:
        """Return the dim with named sizes or atoms replaced by other dims."""
        if self.atoms.isdisjoint(values):
            return self
        total = ZERO
        for monomial, coefficient in self._terms:
            term = Dim.of(coefficient)
            for atom, power in monomial:
                factor = _substituted(atom, values)
                for _ in range(power):
                    term = term * factor
            total = total + term
        return total

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """Return the number for these sizes; KeyError names a size that is missing."""
        result = self.substitute({name: Dim.of(sizes[name]) for name in self.symbols}).const
        assert result is not None, self
        return result

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.const == other
        return isinstance(other, Dim) and self._terms == other._terms

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        if not self._terms:
            return "0"
        parts = []
        for monomial, coefficient in self._terms:
            factors = [order_of(a).lstrip("~") + (f"^{p}" if p > 1 else "") for a, p in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            parts.append(("-" if coefficient < 0 else "") + "*".join(factors))
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self) -> str:
        return f"Dim({self})"


def _substituted(atom: Atom, values: Mapping[Any, Dim]) -> Dim:
    found: Dim | None = values.get(atom)
    if found is not None:
        return found
    if isinstance(atom, str):
        return Dim.of(atom)
    kind, left, right = atom[0], atom[1].substitute(values), atom[2].substitute(values)
    if kind == "//":
        return left // right
    if kind == "*":
        return left * right
    if kind == "broadcast":
        return left.broadcast(right)
    return left.minimum(right) if kind == "min" else left.maximum(right)


@lru_cache(maxsize=4096)
def _number(value: int) -> Dim:
    return Dim({(): value})


@lru_cache(maxsize=4096)
def _named(name: str) -> Dim:
    return Dim({((name, 1),): 1})


ZERO, ONE = Dim({}), Dim({(): 1})


def product(dims: tuple[Dim, ...] | list[Dim]) -> Dim:
    """Return the product of the dims, 1 for none."""
    total = ONE
    for dim in dims:
        total = total * dim
    return total
