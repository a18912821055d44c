"""Nodes that change nothing go; nodes that look like it stay."""

import numpy as np
import pytest

from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of

X = "(float[B,S,8] x) => (float[B,S,8] y) "
DROPPED = {
    "identity": "a = Identity(x) y = Neg(a)",
    "cast": "a = Cast<to=1>(x) y = Neg(a)",
    "dropout": "a = Dropout(x) y = Neg(a)",
    "dropout in inference mode": "r = Constant<value_float=0.5>() \
t = Constant<value = bool {0}>() a = Dropout(x, r, t) y = Neg(a)",
    "transpose": "a = Transpose<perm=[0,1,2]>(x) y = Neg(a)",
    "one part": "a = Concat<axis=1>(x) y = Neg(a)",
    "reshape": "s = Shape(x) a = Reshape(x, s) y = Neg(a)",
    "expand": "s = Shape(x) a = Expand(x, s) y = Neg(a)",
    "whole slice": "z = Constant<value_ints=[0]>() \
e = Constant<value_ints=[9223372036854775807]>() \
a = Slice(x, z, e) y = Neg(a)",
    "no padding": "p = Constant<value_ints=[0,0,0,0,0,0]>() a = Pad(x, p) y = Neg(a)",
    "times one": "o = Constant<value_float=1.0>() a = Mul(o, x) y = Neg(a)",
    "power one": "o = Constant<value_float=1.0>() a = Pow(x, o) y = Neg(a)",
    "always true": "t = Constant<value = bool {1}>() a = Where(t, x, x) y = Neg(a)",
    "before the output": "a = Neg(x) y = Identity(a)",
}  # fmt: skip


@pytest.mark.parametrize("body", DROPPED.values(), ids=DROPPED.keys())
def test_dropped(body):
    assert ops_of(assert_equal_after(X + "{" + body + "}")) == ["Neg"]


KEPT = {
    "an input as output": ("y = Identity(x)", ["Identity"]),
    "twice an output": ("a = Neg(x) y = Identity(a) z = Identity(a)", ["Neg", "Identity"]),
    "epsilon": ("e = Constant<value_float=1e-12>() a = Neg(x) y = Add(a, e)", ["Neg", "Add"]),
    "almost one": ("e = Constant<value_float=1.0000001>() a = Neg(x) y = Mul(a, e)",
                   ["Neg", "Mul"]),
    "reversed": ("s = Constant<value_ints=[-1]>() e = Constant<value_ints=[-9999]>() "
                 "a = Constant<value_ints=[2]>() n = Neg(x) y = Slice(n, s, e, a, s)",
                 ["Neg", "Slice"]),
    "shifted": ("p = Constant<value_ints=[0,0,1,0,0,-1]>() n = Neg(x) y = Pad(n, p)",
                ["Neg", "Pad"]),
    "one that broadcasts": ("o = Constant<value = float[2,1,1,1] {1.0, 1.0}>() m = Mul(x, o) "
                            "y = ReduceSum<keepdims=0>(m, z0)", ["Mul", "ReduceSum"]),
    "one divided": ("o = Constant<value_float=1.0>() n = Neg(x) y = Div(o, n)", ["Neg", "Div"]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "ops"), KEPT.values(), ids=KEPT.keys())
def test_kept(body, ops):
    outputs = X.replace("y)", "y, float[B,S,8] z)") if "z =" in body else X
    text = outputs + "<int64[1] z0 = {0}> {" + body + "}"
    assert ops_of(assert_equal_after(text)) == ops


def test_an_expand_that_may_broadcast_stays():
    """Sizes declared apart may be 1 and n: no pass may rely on their being equal."""
    text = "(float[B,S] x, float[B,T] m) => (float[B,T] y) { s = Shape(m) a = Expand(x, s) \
y = Add(a, m) }"
    model = assert_equal_after(text, feeds={"x": np.ones((2, 1), np.float32),
                                            "m": np.ones((2, 4), np.float32)})  # fmt: skip
    assert "Expand" in ops_of(model)


NEUTRAL = """(int64[B,S] i, bool[B,S] b) => (int64[B,S] y, bool[B,S] z)
    <int64 zero = {{0}}, bool yes = {{1}}, bool no = {{0}}> {{ {} }}"""


@pytest.mark.parametrize(
    ("body", "ops"),
    [
        ("a = Add(zero, i) y = Neg(a) c = And(yes, b) z = Not(c)", ["Neg", "Not"]),
        ("a = Sub(i, zero) y = Neg(a) c = Or(b, no) z = Not(c)", ["Neg", "Not"]),
        ("a = Sub(zero, i) y = Neg(a) c = And(no, b) z = Not(c)", ["Sub", "Neg", "And", "Not"]),
        ("y = Neg(i) c = Or(yes, b) z = Not(c)", ["Neg", "Or", "Not"]),
    ],
)
def test_neutral_operands_of_numbers_and_truth_values(body, ops):
    assert ops_of(assert_equal_after(NEUTRAL.format(body))) == ops


def test_adding_zero_to_floats_stays():
    """-0.0 + 0.0 is 0.0."""
    text = X + "<float zero = {0.0}> { a = Add(x, zero) y = Neg(a) }"
    assert ops_of(assert_equal_after(text)) == ["Add", "Neg"]
