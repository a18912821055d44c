"""Softmax written out becomes the operator along the last axis."""

import pytest

from pipeline.fusion.softmax.find import find_softmaxes
from pipeline.fusion.softmax.lower import FuseSoftmax
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers

TOLERANCE = 1e-6  # probabilities in float32


def graph(body):
    return f"""(float[B,S,8] x) => (float[B,S,8] y) {{ axes = Constant<value_ints=[-1]>()
        rows = Constant<value_ints=[1]>() {body} }}"""


CASES = {
    "last axis": (
        graph("m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axes)"
              " y = Div(e, s)"),
        graph("y = Softmax<axis=-1>(x)"),
    ),
    "another axis": (
        graph("m = ReduceMax(x, rows) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, rows)"
              " y = Div(e, s)"),
        graph("y = Softmax<axis=-2>(x)"),
    ),
    "another axis, read by a product": (
        graph("q = Transpose<perm=[0, 2, 1]>(x) p = Softmax<axis=1>(x) z = MatMul(q, p)"
              " y = MatMul(x, z)"),
        graph("q = Transpose<perm=[0, 2, 1]>(x) t = Transpose<perm=[0, 2, 1]>(x)"
              " s = Softmax<axis=-1>(t) p = Transpose<perm=[0, 2, 1]>(s) z = MatMul(q, p)"
              " y = MatMul(x, z)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_softmaxes, FuseSoftmax())


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_numbers(before, scale):
    assert_same_numbers(before, find_softmaxes, FuseSoftmax(), rtol=TOLERANCE, scale=scale)
