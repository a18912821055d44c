"""Slice, Gather, reductions and the operators whose result depends on data."""

import numpy as np
import pytest

from tests.pipeline.graph.inference.claims import assert_claims, ints_of, shape_of

X = "(float[B,S,8] x, int64[B,S] i, float[16,8] table) => (float[N] o) "
CONSTANTS = "<int64[1] zero={0}, int64[1] one={1}, int64[1] two={2}, \
int64[1] end={9223372036854775807}, \
int64[1] minus={-1}, int64[1] start={-9223372036854775807}, int64[1] axis={1}, int64 scalar={1}, \
int64[2] edges={0,-1}, float[2] onoff={0.0,1.0}, int64[2] lead={0,2}> "
CASES = {
    "from one": ("o = Slice(x, one, end, axis)", "B, S - min(1, S), 8"),
    "last": ("o = Slice(x, minus, end, axis)", "B, S - max(-1 + S, 0), 8"),
    "by two": ("o = Slice(x, zero, end, axis, two)", "B, ((1 + S) // 2), 8"),
    "reversed": ("o = Slice(x, minus, start, axis, minus)", "B, S, 8"),
    "halves": ("h = Constant<value_ints=[4]>() a = Constant<value_ints=[-1]>() \
o = Slice(x, zero, h, a)", "B, S, 4"),
    "to a size": ("s = Shape<start=1, end=2>(x) o = Slice(table, zero, s, zero)", "min(16, S), 8"),
    "gather rows": ("o = Gather(table, i)", "B, S, 8"),
    "gather one": ("o = Gather<axis=1>(x, scalar)", "B, 8"),
    "gather elements": ("t = TopK<axis=1>(x, two) o = Neg(t)", None),
    "mean": ("o = ReduceMean(x, minus)", "B, S, 1"),
    "mean of all": ("o = ReduceMean<keepdims=0>(x)", ""),
    "two axes": ("o = ReduceSum<keepdims=0>(x, edges)", "S"),
    "arg": ("a = ArgMax<axis=-1, keepdims=0>(x) o = Cast<to=1>(a)", "B, S"),
    "one hot": ("d = Constant<value_int=5>() o = OneHot(i, d, onoff)", "B, S, 5"),
    "gather nd": ("n = Unsqueeze(i, minus) o = GatherND(table, n)", "B, S, 8"),
    "scatter": ("u = Unsqueeze(i, minus) e = Cast<to=1>(i) v = Unsqueeze(e, minus) "
                "z = Sub(u, u) o = ScatterElements<axis=2>(x, z, v)", "B, S, 8"),
    "trilu": ("o = Trilu(x)", "B, S, 8"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = X + CONSTANTS + "{" + body.replace("t = TopK", "t, ti = TopK") + "}"
    if expected is not None:
        assert shape_of(text) == expected
    assert_claims(text)


def test_data_dependent_sizes_are_fresh_and_consistent():
    text = "(float[B,S] x) => (int64[2,N] o) { n = NonZero(x) t = Transpose<perm=[1,0]>(n) \
o = Transpose<perm=[1,0]>(t) }"
    assert shape_of(text).startswith("2, $")
    assert_claims(text, closed=False)


def test_a_range_written_as_the_places_of_ones():
    text = "(float[B,S] x) => (int64[N] o) { s = Shape<start=1>(x) \
f = ConstantOfShape<value = int64[1] {1}>(s) n = NonZero(f) t = Transpose<perm=[1,0]>(n) \
a = Constant<value_ints=[1]>() o = Squeeze(t, a) }"
    assert shape_of(text) == "S"
    assert_claims(text)


def test_compress_and_unique():
    text = "(float[B,S] x, bool[2] keep) => (float[N] o) { c = Compress<axis=0>(x, keep) \
u, a, b, d = Unique(c) o = Neg(u) }"
    keep = {"keep": np.array([True, False]), "x": np.ones((2, 5), np.float32)}
    assert_claims(text, feeds=keep, closed=False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("g = Constant<value_ints=[2, 0]>() o = Gather(s, g)", "8, B"),
        ("a = Constant<value_ints=[1]>() b = Constant<value_ints=[9]>() \
o = Slice(s, a, b)", "S, 8"),
        ("o = ReduceProd<keepdims=1>(s)", "8*B*S"),
        ("m = Constant<value_ints=[-1]>() b = Constant<value_ints=[-99]>() \
z = Constant<value_ints=[0]>() o = Slice(s, m, b, z, m)", "8, S, B"),
    ],
    ids=["gather", "slice", "product", "reversed"],
)  # fmt: skip
def test_contents(body, expected):
    text = "(float[B,S,8] x) => (int64[n] o) { s = Shape(x) " + body + "}"
    assert ints_of(text) == expected
    assert_claims(text)
