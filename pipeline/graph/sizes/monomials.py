"""Monomials: products of named sizes and atoms, as sorted (factor, power) pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pipeline.graph.sizes.dims import Dim

Atom: TypeAlias = "str | tuple[str, Dim, Dim]"
Monomial: TypeAlias = "tuple[tuple[Atom, int], ...]"
Terms: TypeAlias = "tuple[tuple[Monomial, int], ...]"


def order_of(atom: Atom) -> str:
    """Return the text atoms are sorted by, names before everything else."""
    if isinstance(atom, str):
        return atom
    kind, left, right = atom
    if kind == "//":
        above, below = (f"({x})" if len(x.terms) > 1 else str(x) for x in (left, right))
        return f"~({above} // {below})"
    return f"~{kind}({left}, {right})"


def times(left: Monomial, right: Monomial) -> Monomial:
    """Return the product."""
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda t: order_of(t[0])))


def divided(monomial: Monomial, factor: Monomial) -> Monomial | None:
    """Return the quotient, None where the factor is not in it."""
    powers = dict(monomial)
    for atom, power in factor:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        powers[atom] = left
    return tuple(sorted(((a, p) for a, p in powers.items() if p), key=lambda t: order_of(t[0])))


def atoms_of(terms: Terms) -> frozenset[Atom]:
    """Return every name and atom in a sum, also those inside atoms."""
    found: set[Atom] = set()
    for monomial, _ in terms:
        for atom, _power in monomial:
            found.add(atom)
            if not isinstance(atom, str):
                found |= atom[1].atoms | atom[2].atoms
    return frozenset(found)


def broadcast_parts(dim: Dim) -> frozenset[Dim]:
    """Return the sizes that meet in a broadcast nothing more is known of; else the dim alone."""
    match dim.terms:
        case (((((("broadcast", left, right), 1),), 1)),):
            return broadcast_parts(left) | broadcast_parts(right)
    return frozenset({dim})


def weight_of(terms: Terms) -> int:
    """Return how many names, long numbers and atoms a sum has, also inside atoms."""
    total = 1
    for monomial, c in terms:
        total += 1 + c.bit_length() // 64
        for atom, power in monomial:
            inside = 0 if isinstance(atom, str) else atom[1].weight + atom[2].weight
            total += power + inside
    return total
