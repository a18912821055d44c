"""Tensors made from sizes and constants."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, ints_of, shape_of

CASES = {
    "size": ("n = Size(x) m = Constant<value_ints=[-1]>() o = Reshape(n, m)", "1"),
    "filled": ("s = Shape<end=2>(x) o = ConstantOfShape<value = int64[1] {7}>(s)", "B, S"),
    "range of a size": (
        "s = Shape<start=1, end=2>(x) z = Constant<value_int=0>() e = Constant<value_int=1>() "
        "t = Squeeze(s) o = Range(z, t, e)",
        "S",
    ),
    "range by two": (
        "s = Shape<start=1, end=2>(x) z = Constant<value_int=0>() e = Constant<value_int=2>() "
        "t = Squeeze(s) o = Range(z, t, e)",
        "((1 + S) // 2)",
    ),
    "fixed range": (
        "a = Constant<value_int=3>() b = Constant<value_int=10>() c = Constant<value_int=2>() "
        "o = Range(a, b, c)",
        "4",
    ),
    "eye": ("e = EyeLike<dtype=7>(y) o = Neg(e)", "B, S"),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = "(float[B,S,8] x, float[B,S] y) => (int64[N] o) {" + body + "}"
    assert shape_of(text) == expected
    assert_claims(text)


def test_range_of_floats():
    text = "(float[B] x) => (float[N] o) { a = Constant<value_float=0.0>() \
b = Constant<value_float=1.0>() c = Constant<value_float=0.3>() o = Range(a, b, c) }"
    assert shape_of(text) == "4"
    assert_claims(text)


def test_contents_of_a_short_range():
    text = "(float[B] x) => (int64[N] o) { a = Constant<value_int=3>() \
b = Constant<value_int=10>() c = Constant<value_int=3>() o = Range(a, b, c) }"
    assert ints_of(text) == "3, 6, 9"
    assert_claims(text)


def test_random_shapes():
    assert_claims("(float[B,S] x) => (float[B,S] o) { o = RandomNormalLike(x) }")
