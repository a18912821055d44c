"""Symbolic dimensions: sizes that may depend on named sizes, e.g. `past + seq` or `64*heads`.

What a polynomial cannot hold is an atom: floor division `//`, `min`, `max`, the `broadcast` of two
sizes of which nothing is known, and a product `*` too long to be written out.

Every named size is at least zero, except names that begin with `?`: those are integers read from
data, of any sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Any

from pipeline.graph.sizes.polynomials import Atom, Polynomial
from pipeline.graph.sizes.signs import is_nonnegative


class Dim(Polynomial):
    """A size; immutable and canonical, so two are equal exactly when their polynomials are."""

    __slots__ = ()

    @staticmethod
    def of(value: int | str | Polynomial) -> Dim:
        """Return the constant, the named size, or the dim itself."""
        if isinstance(value, Dim):
            return value
        if isinstance(value, Polynomial):
            return Dim(dict(value.terms))
        return _named(value) if isinstance(value, str) else _number(int(value))

    def _taken(self, other: Any) -> Dim:
        return Dim.of(other)

    def __floordiv__(self, other: Dim | int) -> Dim:
        divisor = Dim.of(other)
        exact = self.exact_div(divisor)
        if exact is not None:
            return exact
        by = divisor.const
        if by is None or by <= 0:
            a = self.const
            return Dim.atom("//", self, divisor) if a is None or not by else Dim.of(a // by)
        whole = Dim({m: c // by for m, c in self.terms})
        rest = Dim({m: c % by for m, c in self.terms})
        if rest.is_const:
            return whole
        inner = rest.sole_atom
        if inner is not None and inner[0] == "//" and (inner[2].const or 0) > 0:
            return whole + Dim.of(inner[1]) // Dim.of(inner[2] * by)
        return whole + Dim.atom("//", rest, divisor)

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
        return Dim.atom(kind, *sorted((self, other), key=str))

    def broadcast(self, other: Dim | int) -> Dim:
        """Return the size both broadcast to: the one that is not 1, if they differ."""
        other = Dim.of(other)
        if self == ONE or other in (self, ONE):
            return other if self == ONE else self
        for fixed in (self, other):
            if fixed.is_const:  # not 1, so the other one is equal to it or 1
                return fixed
        one, *rest = sorted(_broadcast_parts(self) | _broadcast_parts(other), key=str)
        return reduce(lambda left, right: Dim.atom("broadcast", left, right), rest, one)

    def substitute(self, values: Mapping[Atom, Dim] | Mapping[str, Dim]) -> Dim:
        """Return the dim with named sizes or atoms replaced by other dims."""
        if self.atoms.isdisjoint(values):
            return self
        total = ZERO
        for monomial, coefficient in self.terms:
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


def _substituted(atom: Atom, values: Mapping[Any, Dim]) -> Dim:
    found: Dim | None = values.get(atom)
    if found is not None:
        return found
    if isinstance(atom, str):
        return Dim.of(atom)
    left, right = (Dim.of(operand).substitute(values) for operand in atom[1:])
    match atom[0]:
        case "//":
            return left // right
        case "*":
            return left * right
        case "broadcast":
            return left.broadcast(right)
        case "min":
            return left.minimum(right)
        case _:
            return left.maximum(right)


def _broadcast_parts(dim: Dim) -> frozenset[Dim]:
    """Return the sizes that meet in a broadcast nothing more is known of; else the dim alone."""
    atom = dim.sole_atom
    if atom is None or atom[0] != "broadcast":
        return frozenset({dim})
    return _broadcast_parts(Dim.of(atom[1])) | _broadcast_parts(Dim.of(atom[2]))


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
