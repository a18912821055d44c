"""Reshape and its kin."""

import numpy as np
import pytest

from pipeline.graph.inference.facts import Facts
from tests.pipeline.graph.inference.claims import assert_claims, ints_of, shape_of
from tests.pipeline.text_graphs import model_of

X = "(float[B,S,8] x) => (float[N] o) "
CONSTANTS = "<int64[4] heads={0,0,2,4}, int64[2] flat={-1,4}, int64[1] one={1}, int64[1] last={2}, \
int64[2] parts={3,5}, int64[3] times={1,2,3}, int64[6] pads={0,1,0,0,2,0}, int64[3] wide={1,1,8}, \
int64[4] more={3,1,1,1}, int64[2] pair={-1,2}, int64 first={0}> "
CASES = {
    "split heads": ("o = Reshape(x, heads)", "B, S, 2, 4"),
    "flatten": ("o = Reshape(x, flat)", "2*B*S, 4"),
    "flatten op": ("o = Flatten<axis=2>(x)", "B*S, 8"),
    "transpose": ("o = Transpose<perm=[1,0,2]>(x)", "S, B, 8"),
    "reversed": ("o = Transpose(x)", "8, S, B"),
    "unsqueeze": ("o = Unsqueeze(x, last)", "B, S, 1, 8"),
    "squeeze": ("u = Unsqueeze(x, last) o = Squeeze(u, last)", "B, S, 8"),
    "concat": ("o = Concat<axis=1>(x, x)", "B, 2*S, 8"),
    "split": ("a, o = Split<axis=2>(x, parts)", "B, S, 5"),
    "even split": ("a, o = Split<axis=-1, num_outputs=2>(x)", "B, S, 4"),
    "tile": ("o = Tile(x, times)", "B, 2*S, 24"),
    "pad": ("o = Pad(x, pads)", "B, 3 + S, 8"),
    "expand": ("o = Expand(x, more)", "3, B, S, 8"),
    "expand to itself": ("s = Shape(x) o = Expand(x, s)", "B, S, 8"),
    "sizes from shape": (
        "b = Shape<end=1>(x) m = Constant<value_ints=[-1]>() e = Constant<value_ints=[8]>() "
        "s = Concat<axis=0>(b, m, e) o = Reshape(x, s)",
        "B, S, 8",
    ),
    "batch folded": (
        "s = Shape<end=2>(x) n = ReduceProd<keepdims=1>(s) e = Constant<value_ints=[8]>() "
        "t = Concat<axis=0>(n, e) o = Reshape(x, t)",
        "B*S, 8",
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = X + CONSTANTS + "{" + body + "}"
    assert shape_of(text) == expected
    assert_claims(text)


def test_a_size_split_unevenly_since_opset_18():
    text = "(float[B,S] x) => (float[N] o) { a, o = Split<axis=1, num_outputs=2>(x) }"
    assert shape_of(text) == "B, S - ((1 + S) // 2)"
    assert_claims(text)


def test_a_target_from_data_claims_nothing():
    text = "(float[B,S,8] x, int64[2] to) => (float[N,M] o) { o = Reshape(x, to) }"
    assert shape_of(text).count("$") == 2
    assert_claims(text, feeds={"to": np.array([-1, 8])}, closed=False)


def test_contents_survive_any_layout():
    text = "(float[B,S,8] x) => (int64[n] o) <int64[2] rows={-1,2}, int64[4] p={0,0,1,2}> \
{ r = Reshape(p, rows) t = Transpose<perm=[1,0]>(r) m = Constant<value_ints=[-1]>() \
o = Reshape(t, m) }"
    assert ints_of(text) == "0, 1, 0, 2"
    assert_claims(text)


def test_joined_sizes_must_agree():
    text = "(float[B,S] x, float[C,T] y) => (float[N,M] o) { o = Concat<axis=1>(x, y) }"
    assert shape_of(text) in ("B, S + T", "C, S + T")


def test_a_size_a_trace_froze_is_found():
    text = "(float[S,B,64] x) => (float[N,M,K] o) { b = Shape<start=1, end=2>(x) \
four = Constant<value_ints=[4]>() m = Mul(b, four) six = Constant<value_ints=[6]>() \
d = Constant<value_ints=[16]>() to = Concat<axis=0>(six, m, d) o = Reshape(x, to) }"
    assert shape_of(text) == "6, 4*B, 16"
    # That S must be 6 is what a caller who picks sizes needs.
    equal = Facts(model_of(text)).equalities
    assert [(str(a), str(b)) for a, b in equal] == [("S", "6")]
