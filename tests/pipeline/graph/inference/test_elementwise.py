"""Elementwise operators: broadcasting, and arithmetic on sizes."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, ints_of, shape_of

IN = "(float[B,S,8] x, float[S,8] y, float[B,1,1] m, int64[B,S] i) => (float[B,S,8] o) "
CASES = {
    "add": "o = Add(x, y)",
    "three": "o = Sum(x, y, m)",
    "less": "c = Less(x, m) o = Where(c, x, y)",
    "cast": "c = Cast<to=7>(x) o = Cast<to=1>(c)",
    "cast like": "c = CastLike(i, x) d = Unsqueeze(c, last) o = Mul(x, d)",
    "softmax": "o = Softmax(x)",
    "clip": "o = Clip(x)",
    "cumsum": "o = CumSum(x, last)",
    "not": "c = Equal(x, y) d = Not(c) o = Where(d, x, y)",
    "mod": "c = Mod(i, two) d = Cast<to=1>(c) e = Unsqueeze(d, last) o = Mul(e, y)",
    "dropout": "o, mask = Dropout(x)",
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES.keys())
def test_shapes(body):
    assert_claims(IN + "<int64 last = {2}, int64[1] two = {2}> {" + body + "}")


SIZES = "(float[B,S,8] x) => (int64[n] o) <int64[1] zero={0}, int64[1] one={1}, int64[1] two={2}, \
int64[1] minus={-1}, int64[3] minuses={-1,-1,-1}, int64[3] wanted={4,-1,2}> "
ARITHMETIC = {
    "sum": ("s = Shape<start=0, end=2>(x) o = Add(s, one)", "1 + B, 1 + S"),
    "product": ("s = Shape<start=0, end=2>(x) o = Mul(s, two)", "2*B, 2*S"),
    "floor": ("s = Shape<start=0, end=2>(x) o = Div(s, two)", "(B // 2), (S // 2)"),
    "exact": ("s = Shape<start=1>(x) t = Mul(s, two) o = Div(t, two)", "S, 8"),
    "rest": ("s = Shape<start=1>(x) o = Mod(s, two)", "S - 2*(S // 2), 0"),
    "largest": ("s = Shape(x) o = Max(s, zero)", "B, S, 8"),
    "size is no -1": ("s = Shape(x) c = Equal(s, minus) o = Where(c, one, s)", "B, S, 8"),
    "expand target": ("s = Shape(x) c = Equal(wanted, minuses) o = Where(c, s, wanted)", "4, S, 2"),
    "through floats": ("s = Shape(x) f = Cast<to=1>(s) o = Cast<to=7>(f)", "B, S, 8"),
    "negative": ("s = Shape(x) n = Neg(s) o = Neg(n)", "B, S, 8"),
    "power": ("s = Shape<start=1>(x) o = Pow(s, two)", "S^2, 64"),
    "rounded quotient": (
        "s = Shape<start=1>(x) f = Cast<to=1>(s) t = Cast<to=1>(two) d = Div(f, t) "
        "c = Ceil(d) o = Cast<to=7>(c)",
        "S - (S // 2), 4",
    ),
}


@pytest.mark.parametrize(("body", "expected"), ARITHMETIC.values(), ids=ARITHMETIC.keys())
def test_contents(body, expected):
    text = SIZES + "{" + body + "}"
    assert ints_of(text) == expected
    assert_claims(text)


def test_sizes_declared_apart_are_assumed_equal_where_they_meet():
    text = "(float[B,S] x, float[B,T] y) => (float[B,S] o) { o = Add(x, y) }"
    assert shape_of(text) in ("B, S", "B, T")


def test_a_size_from_data_is_not_assumed_equal():
    text = "(float[N] x, float[S] y) => (float[Q] o) { i = NonZero(x) f = Cast<to=1>(i) \
o = Add(f, y) }"
    assert "broadcast" in shape_of(text)
