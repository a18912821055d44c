"""Softmax is found however it is written; sinks in the divisor are refused."""

import pytest

from pipeline.fusion.softmax.find import DIVISOR, find_softmaxes
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

CONST = """axes = Constant<value_ints=[-1]>() rows = Constant<value_ints=[1]>()
    one = Constant<value_float=1.0>()"""


def graph(body, inputs=""):
    return f"(float[B,S,8] x{inputs}) => (float[B,S,8] y) {{ {CONST} {body} }}"


FORMS = {
    "stable": ("m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axes)"
               " y = Div(e, s)", -1, True),
    "times the reciprocal": ("m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d)"
                             " s = ReduceSum(e, axes) i = Reciprocal(s) y = Mul(i, e)", -1, True),
    "no maximum": ("e = Exp(x) s = ReduceSum(e, axes) y = Div(e, s)", -1, False),
    "other axis": ("e = Exp(x) s = ReduceSum(e, rows) y = Div(e, s)", -2, False),
    "exponentials computed twice": ("m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d) f = Exp(d)"
                                    " s = ReduceSum(f, axes) y = Div(e, s)", -1, True),
    "any constant subtracted": ("d = Sub(x, c) e = Exp(d) s = ReduceSum(e, axes) y = Div(e, s)",
                                -1, True),
    "logsumexp": ("l = ReduceLogSumExp(x, axes) d = Sub(x, l) y = Exp(d)", -1, True),
    "log of the sum": ("m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axes)"
                       " l = Log(s) ls = Sub(d, l) y = Exp(ls)", -1, True),
    "exp of LogSoftmax": ("l = LogSoftmax<axis=-1>(x) y = Exp(l)", -1, True),
}  # fmt: skip


@pytest.mark.parametrize(("body", "axis", "stable"), FORMS.values(), ids=FORMS.keys())
def test_forms(body, axis, stable):
    site = only_site(graph(body, ", float[B,S,1] c"), find_softmaxes)
    assert (site.x.name, site.axis, site.stable) == ("x", axis, stable)
    assert [v.name for v in site.outputs] == ["y"]


def test_an_operator_on_another_axis_matters_to_products_only():
    body = "p = Softmax<axis=1>(x) t = Transpose<perm=[0, 2, 1]>(p) y = {}"
    site = only_site(graph(body.format("MatMul(x, t)")), find_softmaxes)
    assert (site.axis, site.product) == (-2, True)
    assert found_in(graph(body.format("Neg(t)")), find_softmaxes) == []


@pytest.mark.parametrize(
    ("extra", "said"),
    [("one", "holds 1"), ("se", "se")],
    ids=["one more", "a sink"],
)
def test_more_in_the_divisor_is_refused(extra, said):
    body = f"se = Exp(sink) e = Exp(x) s = ReduceSum(e, axes) t = Add(s, {extra}) y = Div(e, t)"
    refusal = only_refusal(graph(body, ", float[1] sink"), find_softmaxes)
    assert (refusal.nearest, refusal.step) == ("Softmax", DIVISOR)
    assert said in refusal.reason


@pytest.mark.parametrize(
    "body",
    [
        "y = Softmax<axis=-1>(x)",
        "d = Sub(x, v) e = Exp(d) s = ReduceSum(e, axes) f = Exp(x) y = Div(f, s)",
        "e = Exp(x) s = ReduceSum(e, axes) y = Div(x, s)",
        "e = Exp(x) s = ReduceSum(x, axes) y = Div(e, s)",
    ],
    ids=["already the operator", "other exponents", "no exponential above", "sum of x"],
)
def test_nothing_to_do(body):
    assert found_in(graph(body, ", float[B,S,8] v"), find_softmaxes) == []
