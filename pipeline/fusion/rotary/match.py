"""The rotary formula: does an array of columns say that pairs of x turn by common angles?"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.rotary.columns import LinearColumns, SameColumns
from pipeline.graph.inference.facts import Facts

_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Rotation:
    """Which columns turn together, and by which columns of cos and sin.

    Attributes:
        cos, sin: The tensors of factors.
        size: How many columns there are.
        width: How many of them, the first ones, turn.
        interleaved: Whether neighbours make a pair rather than columns half the width apart.
        cos_columns, sin_columns: For each pair, its column in the tensor of factors.
        backward: Whether the rotation is by the negative angle.
        relied: Tensors whose contents made two columns of factors equal.
    """

    cos: ir.Value
    sin: ir.Value
    size: int
    width: int
    interleaved: bool
    cos_columns: tuple[int, ...]
    sin_columns: tuple[int, ...]
    backward: bool
    relied: frozenset[ir.Value]


@dataclass(frozen=True)
class _Term:
    """`sign * x[source] * factor[index]`, with no factor for a column passed through."""

    source: int
    factor: ir.Value | None
    index: int
    sign: float


def match_rotation(value: ir.Value, x: ir.Value, facts: Facts) -> Rotation | str | None:
    """Return the rotation that makes `value` of `x`, why it is nearly one, or None."""
    block = LinearColumns(facts, x).read(value)
    if block is None or block.ndim != 1:
        return None
    rows = [_terms(entry, x) for entry in block]
    width = sum(len(row) == 2 for row in rows)
    if width < 2 or width % 2 or not all(len(row) == 2 for row in rows[:width]):
        return None
    if not all(_passes(row, i + width) for i, row in enumerate(rows[width:])):
        return None
    for interleaved in (False, True):
        pairs = _pairs(width, interleaved)
        read = [_pair(rows[i], rows[j], i, j) for i, j in pairs]
        known = [r for r in read if r is not None]
        if len(known) == len(read):
            return _rotation(known, len(rows), interleaved, facts)
    return None


def _pairs(width: int, interleaved: bool) -> list[tuple[int, int]]:
    half = width // 2
    if interleaved:
        return [(2 * p, 2 * p + 1) for p in range(half)]
    return [(p, p + half) for p in range(half)]


def _terms(entry: object, x: ir.Value) -> list[_Term]:
    """Return the formula of one column as terms, nothing when it has another shape."""
    found: list[_Term] = []
    for monomial, c in entry.terms.items() if isinstance(entry, al.Expr) else ():
        columns = [a for a, e in monomial if isinstance(a, al.Leaf) and e == 1.0]
        mine = [a for a in columns if a.value is x]
        other = [a for a in columns if a.value is not x]
        if len(mine) != 1 or len(mine) + len(other) != len(monomial) or len(other) > 1:
            return []
        if abs(abs(c) - 1.0) > _TOLERANCE:
            return []
        factor = other[0] if other else None
        index = factor.index or 0 if factor is not None else 0
        found.append(_Term(mine[0].index or 0, factor.value if factor else None, index, c))
    return found


def _passes(row: list[_Term], column: int) -> bool:
    return len(row) == 1 and row[0].factor is None and row[0].source == column and row[0].sign > 0


@dataclass(frozen=True)
class _Pair:
    """The four factors of a pair: cos twice, sin twice, and the direction."""

    cos: tuple[_Term, _Term]
    sin: tuple[_Term, _Term]
    backward: bool


def _pair(first: list[_Term], second: list[_Term], i: int, j: int) -> _Pair | None:
    """Read `x[i] cos - x[j] sin` and `x[j] cos + x[i] sin`, or both signs the other way."""
    rows = {i: first, j: second}
    own = {k: [t for t in row if t.source == k and t.factor is not None] for k, row in rows.items()}
    cross = {
        k: [t for t in row if t.source == i + j - k and t.factor is not None]
        for k, row in rows.items()
    }
    if any(len(terms) != 1 for terms in (*own.values(), *cross.values())):
        return None
    cos, sin = (own[i][0], own[j][0]), (cross[i][0], cross[j][0])
    turned = sin[0].sign * sin[1].sign < 0
    if not turned or cos[0].sign < 0 or cos[1].sign < 0:
        return None
    return _Pair(cos, sin, backward=sin[0].sign > 0)


def _rotation(
    pairs: list[_Pair], size: int, interleaved: bool, facts: Facts
) -> Rotation | str | None:
    cosines = {t.factor for p in pairs for t in p.cos}
    sines = {t.factor for p in pairs for t in p.sin}
    if len({p.backward for p in pairs}) > 1 or len(cosines) != 1 or len(sines) != 1:
        return None
    cos, sin = pairs[0].cos[0].factor, pairs[0].sin[0].factor
    if cos is None or sin is None or cos is sin:
        return None
    relied: set[ir.Value] = set()
    for name, terms in (("cos", [p.cos for p in pairs]), ("sin", [p.sin for p in pairs])):
        unequal = _unequal(terms, facts, relied)
        if unequal is not None:
            a, b = unequal
            return (
                f"columns {a} and {b} of {name} turn one pair, and nothing shows that they are"
                " equal"
            )
    return Rotation(
        cos,
        sin,
        size,
        2 * len(pairs),
        interleaved,
        tuple(p.cos[0].index for p in pairs),
        tuple(p.sin[0].index for p in pairs),
        pairs[0].backward,
        frozenset(relied),
    )


def _unequal(
    terms: list[tuple[_Term, _Term]], facts: Facts, relied: set[ir.Value]
) -> tuple[int, int] | None:
    """Return the first two columns of a factor that a pair shares but that may differ."""
    if all(a.index == b.index for a, b in terms):
        return None
    factor = terms[0][0].factor
    assert factor is not None  # _pair only keeps terms with a factor
    reader = SameColumns(facts)
    block = reader.read(factor)
    keys = None if block is None else block.reshape(-1)
    for a, b in terms:
        if keys is None or keys[a.index] != keys[b.index]:
            return a.index, b.index
    relied |= reader.relied
    return None
