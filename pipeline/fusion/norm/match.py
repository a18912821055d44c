"""The norm formulas: does an `Expr` say LayerNorm or RMSNorm of x, and with which roles?

    RMSNorm    x / sqrt(mean(x^2) + eps) * w
    LayerNorm  (x - mean(x)) / sqrt(mean(x^2) - mean(x)^2 + eps) * w + b

In the algebra the mean of squared differences and the difference of means are one polynomial, as
are all ways to divide by a root. A variance over N - 1 is LayerNorm with `w` rescaled, and
`x / |x|` is RMSNorm with eps 0 and `w` = 1/sqrt(N). LayerNorm may also have its epsilon outside
the root, as in `(x - mean(x)) / (std(x) + eps)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone
from pipeline.fusion.norm.steps import AXES, DIVIDED, ROOT
from pipeline.fusion.refusal import Step

TOLERANCE = 1e-4  # of a coefficient, relative; constants were rounded to float32 or less
_TINY_FLOOR = 1e-6  # max(|x|, floor) and sqrt(|x|^2 + floor^2) then agree wherever |x| matters


@dataclass(frozen=True)
class NormFormula:
    """The roles in a matched formula.

    Attributes:
        centred: True for LayerNorm, False for RMSNorm.
        axes: The normalised axes, from the end.
        epsilon: What is added to the mean of squares.
        outer: What is added to its root.
        weight: The factor, a formula of tensors other than x; the number 1 when absent.
        bias: The summand, likewise; 0 when absent.
    """

    centred: bool
    axes: tuple[int, ...]
    epsilon: float
    weight: al.Expr
    bias: al.Expr
    outer: float = 0.0


@dataclass(frozen=True)
class Miss:
    """How far a formula got: the first condition that broke, and how."""

    step: Step
    reason: str
    nearest: str
    remedy: str = ""


@dataclass(frozen=True)
class _Root:
    """A divisor `scale ** 0.5 * ((mean(x^2) [- mean(x)^2] + epsilon) ** 0.5 + outer)`."""

    atom: al.Func
    centred: bool
    axes: tuple[int, ...]
    count: float
    epsilon: float
    scale: float
    outer: float = 0.0


def match_norm(expr: al.Expr, cone: Cone) -> NormFormula | Miss | None:
    """Return the roles, how the formula nearly matched, or None when it is no norm at all."""
    groups = _split(expr, cone)
    divisors = {a for m in groups for a, e in m if e < 0 and isinstance(a, al.Func)}
    if len(divisors) != 1:
        return None
    (divisor,) = divisors
    root = _read_divisor(divisor, cone)
    if not isinstance(root, _Root):
        return root
    return _read_groups(groups, root, cone)


def _split(expr: al.Expr, cone: Cone) -> dict[al.Monomial, al.Expr]:
    """Return the formula as a sum of (factors that depend on x) times (a formula without x)."""
    groups: dict[al.Monomial, al.Expr] = {}
    for monomial, c in expr.terms.items():
        mine = frozenset(pair for pair in monomial if _depends(pair[0], cone.leaf))
        rest = al.Expr({monomial - mine: c})
        groups[mine] = groups[mine] + rest if mine in groups else rest
    return groups


def _depends(of: al.Atom, x: al.Leaf) -> bool:
    return of == x or (isinstance(of, al.Func) and any(a == x for a in al.atoms(of.arg)))


def _read_divisor(divisor: al.Func, cone: Cone) -> _Root | Miss | None:
    """Read the mean square and epsilon out of the divisor."""
    if divisor.name == "floor":
        return _read_floor(divisor, cone)
    if divisor.name != "root":
        return None
    squares = _squares(divisor.arg, cone)
    if squares is not None:
        return _read_root(divisor, squares, divisor.arg.terms.get(al.UNIT, 0.0), cone)
    return _read_outside(divisor, cone)


def _read_outside(divisor: al.Func, cone: Cone) -> _Root | Miss | None:
    """Read a divisor `sqrt(mean square) + epsilon`."""
    for monomial, c in divisor.arg.terms.items():
        for each, exponent in monomial:
            if not isinstance(each, al.Func) or each.name != "root" or exponent != 0.5:
                continue
            squares = _squares(each.arg, cone)
            root = None if squares is None else _read_root(each, squares, 0.0, cone)
            if isinstance(root, _Root):
                return _outside(divisor, root, c * root.scale**0.5)
    return None


def _outside(divisor: al.Func, root: _Root, factor: float) -> _Root | Miss:
    outer = divisor.arg.terms.get(al.UNIT, 0.0) / factor
    plain = len(divisor.arg.terms) == 2 and al.UNIT not in root.atom.arg.terms
    if root.centred and plain and outer > 0:
        return replace(root, atom=divisor, scale=factor**2, outer=outer)
    reason = f"epsilon ({outer:.3g}) is added after the square root"
    nearest = "LayerNorm" if root.centred else "RMSNorm"
    return Miss(ROOT, reason, nearest, "add epsilon to the mean square, inside the root")


def _squares(arg: al.Expr, cone: Cone) -> al.Func | None:
    """Return the atom `sum(x^2)` of a formula made of it, `sum(x)^2` and a number."""
    square = al.atom(cone.leaf).power(2)
    for monomial in arg.terms:
        factors = [(a, e) for a, e in monomial if isinstance(a, al.Func) and a.name != "count"]
        if len(factors) == 1:
            each, exponent = factors[0]
            if each.name == "sum" and each.arg == square and exponent == 1.0:
                return each
    return None


def _read_root(divisor: al.Func, squares: al.Func, constant: float, cone: Cone) -> _Root | Miss:
    count = cone.count(squares.axes)
    if not count:
        reason = f"the size of the normalised axes {list(squares.axes)} of {_show(cone)} varies"
        return Miss(AXES, reason, "InstanceNormalization")
    total: al.Atom = al.Func("sum", al.atom(cone.leaf), squares.axes)
    a = divisor.arg.terms[frozenset(((squares, 1.0),))]
    b = divisor.arg.terms.get(frozenset(((total, 2.0),)), 0.0)
    known = 1 + (b != 0) + (al.UNIT in divisor.arg.terms)
    scale = a * count
    if not scale > 0:
        return Miss(ROOT, "the mean square is not added under the root", "LayerNorm")
    if len(divisor.arg.terms) != known:
        return Miss(ROOT, "more than the mean square and epsilon is under the root", "LayerNorm")
    if b and not _close(b * count, -a):
        reason = "the mean is not subtracted in full before squaring"
        return Miss(ROOT, reason, "LayerNorm")
    if constant / scale < 0:
        return Miss(ROOT, f"epsilon is negative: {constant / scale:.3g}", "LayerNorm")
    return _Root(divisor, b != 0, squares.axes, count, constant / scale, scale)


def _read_floor(divisor: al.Func, cone: Cone) -> _Root | Miss | None:
    """Read `max(|x|, floor)`, which a tiny floor turns into `sqrt(|x|^2 + floor^2)`."""
    single = divisor.arg.single
    if single is None or len(single[0]) != 1:
        return None
    ((inner, exponent),) = single[0]
    if not isinstance(inner, al.Func) or inner.name != "root":
        return None
    squares = _squares(inner.arg, cone)
    if squares is None or exponent != 0.5:
        return None
    if divisor.bound > _TINY_FLOOR:
        reason = f"the norm of x is bounded below by {divisor.bound:.3g} instead of epsilon added"
        return Miss(ROOT, reason, "RMSNorm", "add epsilon to the mean square, inside the root")
    read = _read_root(inner, squares, (divisor.bound / single[1]) ** 2, cone)
    if isinstance(read, Miss):
        return read
    factor = single[1] ** 2
    return _Root(divisor, read.centred, read.axes, read.count, read.epsilon, read.scale * factor)


def _read_groups(
    groups: dict[al.Monomial, al.Expr], root: _Root, cone: Cone
) -> NormFormula | Miss | None:
    exponent = -1.0 if root.atom.name == "floor" or root.outer else -0.5
    total = al.Func("sum", al.atom(cone.leaf), root.axes)
    scaled: al.Monomial = frozenset(((cone.leaf, 1.0), (root.atom, exponent)))
    shifted: al.Monomial = frozenset(((total, 1.0), (root.atom, exponent)))
    weight, offset = groups.get(scaled), groups.get(shifted)
    known = {scaled, shifted, al.UNIT}
    if weight is None or not groups.keys() <= known:
        return None  # a part of a norm, e.g. the reciprocal root alone
    if root.centred != (offset is not None):
        said = "not subtracted from" if root.centred else "subtracted from"
        other = "centred" if root.centred else "not centred"
        reason = f"the mean is {said} x while the mean square is {other}"
        return Miss(DIVIDED, reason, "LayerNorm" if root.centred else "RMSNorm")
    if offset is not None and not _same(offset.scaled(-root.count), weight):
        return Miss(DIVIDED, "x and its mean are weighted differently", "LayerNorm")
    weight = _cleaned(weight.scaled(root.scale**-0.5))
    bias = groups.get(al.UNIT, al.number(0.0))
    return NormFormula(root.centred, root.axes, root.epsilon, weight, bias, root.outer)


def _cleaned(weight: al.Expr) -> al.Expr:
    """Return the formula with coefficients next to 1 made 1: float noise of scale factors."""
    near = {m: 1.0 if _close(c, 1.0, 1e-6) else c for m, c in weight.terms.items()}
    return al.Expr(near)


def _same(left: al.Expr, right: al.Expr) -> bool:
    keys = left.terms.keys()
    return keys == right.terms.keys() and all(_close(left.terms[k], right.terms[k]) for k in keys)


def _close(a: float, b: float, tolerance: float = TOLERANCE) -> bool:
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def _show(cone: Cone) -> str:
    return "[" + ", ".join(str(d) for d in cone.shape) + "]"
