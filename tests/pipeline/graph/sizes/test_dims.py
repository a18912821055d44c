"""Dims are canonical, and every form of one evaluates to the same number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.sizes.dims import ONE, ZERO, Dim, is_nonnegative, product

B, S, P = map(Dim.of, ("batch", "seq", "past"))
NUMBERS = st.integers(-6, 9)
SIZES = {"batch": st.integers(0, 9), "seq": st.integers(0, 9), "past": st.integers(0, 9)}


def build(draw: st.DrawFn, depth: int) -> tuple[Dim, str]:
    """Return a dim and the Python expression it stands for."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(["batch", "seq", "past", ""]))
        number = draw(NUMBERS)
        return (Dim.of(name), name) if name else (Dim.of(number), f"({number})")
    (a, x), (b, y) = build(draw, depth - 1), build(draw, depth - 1)
    kind = draw(st.sampled_from(["+", "-", "*", "//", "%", "min", "max"]))
    if kind in ("//", "%"):
        by = draw(st.integers(1, 7))
        return (a // by if kind == "//" else a % by), f"(({x}) {kind} {by})"
    if kind in ("min", "max"):
        dim = a.minimum(b) if kind == "min" else a.maximum(b)
        return dim, f"{kind}({x}, {y})"
    return {"+": a + b, "-": a - b, "*": a * b}[kind], f"(({x}) {kind} ({y}))"


@st.composite
def dims(draw: st.DrawFn) -> tuple[Dim, str]:
    """Return random dims of up to three levels."""
    return build(draw, 3)


@given(dims(), st.fixed_dictionaries(SIZES))
def test_a_dim_evaluates_as_python_does(pair, sizes):
    dim, text = pair
    assert dim.evaluate(sizes) == eval(text, {"min": min, "max": max}, dict(sizes))


@given(dims(), st.fixed_dictionaries(SIZES))
def test_a_proven_sign_holds(pair, sizes):
    dim, _ = pair
    if is_nonnegative(dim):
        assert dim.evaluate(sizes) >= 0


@given(dims(), dims())
def test_sums_and_products_commute(left, right):
    (a, _), (b, _) = left, right
    assert a + b == b + a
    assert a * b == b * a
    assert hash(a + b) == hash(b + a)
    assert a + b - b == a


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (B * 12 * S, "12*batch*seq"),
        (P + S - P, "seq"),
        ((B * S * 64).exact_div(B * 64), "seq"),
        ((P * B + S * B).exact_div(P + S), "batch"),
        ((S * 2 + 1) // 2, "seq"),
        ((S // 2) // 2, "(seq // 4)"),
        ((S + 5) // 4, "1 + ((1 + seq) // 4)"),
        (S.minimum(P + S), "seq"),
        ((S * -1).maximum(0), "0"),
        ((S - S // 2).maximum(0), "seq - (seq // 2)"),
        (S.minimum(512), "min(512, seq)"),
        (S.minimum(512).minimum(600), "min(512, seq)"),
        (S.broadcast(1), "seq"),
        (S.broadcast(7), "7"),
        (S.broadcast(B).broadcast(S), "broadcast(batch, seq)"),
        (S.broadcast(P).broadcast(B.broadcast(S)), "broadcast(broadcast(batch, past), seq)"),
        (S.broadcast(P - 1).broadcast(S), "broadcast(-1 + past, seq)"),
        (ZERO, "0"),
    ],
)
def test_forms(dim, text):
    assert str(dim) == text


@pytest.mark.parametrize(
    ("dim", "known"),
    [
        (S - S // 2, True),
        (S * 3 - (S // 2) * 6, True),
        (S - (S // 2) * 3, False),
        (S // 2 - S, False),
        (B - S // 2, False),
        (Dim.of(512) - S.minimum(512), True),
        (S - S.minimum(512), True),
        (S.minimum(512) - S, False),
        (S.maximum(P) - S, True),
        (S - S.maximum(P), False),
        (S.maximum(P) - B, False),
    ],
    ids=str,
)
def test_signs(dim, known):
    assert is_nonnegative(dim) is known


def test_integers_from_data_have_no_sign():
    assert not is_nonnegative(Dim.of("?1"))
    assert is_nonnegative(Dim.of("$1"))
    assert is_nonnegative(Dim.of("?1").maximum(0))


def test_inexact_division_says_so():
    assert (S + 1).exact_div(S) is None
    assert (S * 3).exact_div(2) is None
    assert S.exact_div(0) is None


def test_substitution_reaches_atoms_and_replaces_them():
    least = S.minimum(512)
    assert least.substitute({"seq": Dim.of(7)}) == 7
    (atom,) = (a for a in least.atoms if not isinstance(a, str))
    assert (least + 1).substitute({atom: S}) == S + 1


def test_nothing_grows_without_bound():
    dim, other = B + S, P + 1
    for _ in range(12):
        dim = dim * dim + other
        if dim.weight > 10_000:
            break
    assert len(dim.terms) <= 1100


def test_missing_sizes_are_named():
    with pytest.raises(KeyError, match="seq"):
        (B + S).evaluate({"batch": 1})


def test_product():
    assert product([B, S, ONE]) == B * S
    assert product([]) == 1
