"""Which dims are known to be at least zero."""

from __future__ import annotations

from pipeline.graph.sizes.polynomials import Atom, Polynomial

EFFORT = 64  # sums looked at before giving up, so that no dim takes long


def is_nonnegative(dim: Polynomial) -> bool:
    """Return whether the dim is proven to be at least zero; False also means "not known"."""
    return _proven(dim, [EFFORT])


def _proven(dim: Polynomial, left_over: list[int]) -> bool:
    left_over[0] -= 1
    if left_over[0] < 0:
        return False
    if all(c > 0 and all(_atom_proven(a, left_over) for a, _ in m) for m, c in dim.terms):
        return True
    for monomial, c in dim.terms:
        if len(monomial) != 1 or monomial[0][1] != 1 or isinstance(monomial[0][0], str):
            continue
        kind, left, right = monomial[0][0]
        rest = dim.without(monomial)
        if kind == "//" and c < 0 and (by := right.const) is not None and by > 0:
            if _proven(rest * by + left * c, left_over):  # c*(x//k) >= c*x/k
                return True
        elif kind in ("min", "max"):
            # A bound of the whole needs one operand where the atom helps, both where it hurts.
            need = any if (kind == "min") == (c < 0) else all
            if need(_proven(rest + side * c, left_over) for side in (left, right)):
                return True
    return False


def _atom_proven(atom: Atom, left_over: list[int]) -> bool:
    if isinstance(atom, str):
        return not atom.startswith("?")
    kind, left, right = atom
    if kind == "max":
        return _proven(left, left_over) or _proven(right, left_over)
    return _proven(left, left_over) and _proven(right, left_over)
