"""Polynomials with integer coefficients over named sizes and atoms, and their ring operations.

An atom is what a polynomial cannot hold, as its kind and two operands: equal computations make
equal atoms. What kinds there are, and what they mean, says `Dim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeAlias

MOST_TERMS = 1024  # a longer product stays unexpanded, as an atom `*`

Atom: TypeAlias = "str | tuple[str, Polynomial, Polynomial]"
Monomial: TypeAlias = "tuple[tuple[Atom, int], ...]"  # sorted (factor, power) pairs


class Polynomial:
    """A sum of monomials with coefficients, immutable and canonical.

    Two are equal exactly when their terms are.
    """

    __slots__ = ("_atoms", "_hash", "_terms", "_weight")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        kept = [(m, c) for m, c in terms.items() if c]
        if len(kept) > 1:
            kept.sort(key=lambda t: (sum(p for _, p in t[0]), [(_order(a), p) for a, p in t[0]]))
        self._terms: tuple[tuple[Monomial, int], ...] = tuple(kept)
        self._hash = hash(self._terms)
        self._atoms: frozenset[Atom] | None = None
        self._weight = 0

    @classmethod
    def atom(cls, kind: str, left: Polynomial, right: Polynomial) -> Self:
        """Return a single atom."""
        return cls({(((kind, left, right), 1),): 1})

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
    def sole_atom(self) -> tuple[str, Polynomial, Polynomial] | None:
        """The atom this is, if it is nothing else."""
        if len(self._terms) != 1 or self._terms[0][1] != 1 or len(self._terms[0][0]) != 1:
            return None
        atom, power = self._terms[0][0][0]
        return None if power != 1 or isinstance(atom, str) else atom

    @property
    def atoms(self) -> frozenset[Atom]:
        """Every named size and every atom it depends on, also those inside atoms."""
        if self._atoms is None:
            found: set[Atom] = set()
            for monomial, _ in self._terms:
                for atom, _power in monomial:
                    found.add(atom)
                    if not isinstance(atom, str):
                        found |= atom[1].atoms | atom[2].atoms
            self._atoms = frozenset(found)
        return self._atoms

    @property
    def symbols(self) -> frozenset[str]:
        """The named sizes it depends on, also inside atoms."""
        return frozenset(a for a in self.atoms if isinstance(a, str))

    @property
    def weight(self) -> int:
        """How many names, long numbers and atoms there are, also inside atoms."""
        if not self._weight:
            total = 1
            for monomial, c in self._terms:
                total += 1 + c.bit_length() // 64
                for atom, power in monomial:
                    inside = 0 if isinstance(atom, str) else atom[1].weight + atom[2].weight
                    total += power + inside
            self._weight = total
        return self._weight

    def without(self, monomial: Monomial) -> Self:
        """Return the sum without one of its terms."""
        return type(self)({m: c for m, c in self._terms if m != monomial})

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

    def _taken(self, other: Any) -> Self:
        """Return an operand as one of the same class: a number is a constant."""
        return other if isinstance(other, type(self)) else type(self)({(): int(other)})

    def __add__(self, other: Self | int) -> Self:
        terms = dict(self._terms)
        for monomial, coefficient in self._taken(other)._terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return type(self)(terms)

    def __neg__(self) -> Self:
        return type(self)({m: -c for m, c in self._terms})

    def __sub__(self, other: Self | int) -> Self:
        return self + (-self._taken(other))

    def __mul__(self, other: Self | int) -> Self:
        factor = self._taken(other)
        if len(self._terms) * len(factor._terms) > MOST_TERMS:
            return self.atom("*", *sorted((self, factor), key=str))
        terms: dict[Monomial, int] = {}
        for left, a in self._terms:
            for right, b in factor._terms:
                product = _times(left, right)
                terms[product] = terms.get(product, 0) + a * b
        return type(self)(terms)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: int) -> Self:
        return self._taken(other) - self

    def exact_div(self, other: Self | int) -> Self | None:
        """Return the quotient when the division is exact term by term, else None."""
        divisor = self._taken(other)
        if divisor == self:
            return self._taken(1)
        if not divisor._terms:
            return None
        if len(divisor._terms) > 1:
            return self._divide_sum(divisor)
        monomial, coefficient = divisor._terms[0]
        terms: dict[Monomial, int] = {}
        for mine, c in self._terms:
            rest = _divided(mine, monomial)
            if rest is None or c % coefficient:
                return None
            terms[rest] = c // coefficient
        return type(self)(terms)

    def _divide_sum(self, divisor: Self) -> Self | None:
        """Divide by a polynomial of several terms: long division on the leading terms."""
        quotient, rest = type(self)({}), self
        lead, coefficient = divisor._terms[-1]
        for _ in range(8):
            if not rest._terms:
                return quotient
            mine, c = rest._terms[-1]
            left = _divided(mine, lead)
            if left is None or c % coefficient:
                return None
            step = type(self)({left: c // coefficient})
            quotient, rest = quotient + step, rest - step * divisor
        return None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.const == other
        return isinstance(other, Polynomial) and self._terms == other._terms

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        if not self._terms:
            return "0"
        parts = []
        for monomial, coefficient in self._terms:
            factors = [_order(a).lstrip("~") + (f"^{p}" if p > 1 else "") for a, p in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            parts.append(("-" if coefficient < 0 else "") + "*".join(factors))
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def _order(atom: Atom) -> str:
    """Return the text atoms are sorted by and shown as, names before everything else."""
    if isinstance(atom, str):
        return atom
    kind, left, right = atom
    if kind == "//":
        above, below = (f"({x})" if len(x.terms) > 1 else str(x) for x in (left, right))
        return f"~({above} // {below})"
    return f"~{kind}({left}, {right})"


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda t: _order(t[0])))


def _divided(monomial: Monomial, factor: Monomial) -> Monomial | None:
    """Return the quotient, None where the factor is not in it."""
    powers = dict(monomial)
    for atom, power in factor:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        powers[atom] = left
    return tuple(sorted(((a, p) for a, p in powers.items() if p), key=lambda t: _order(t[0])))
