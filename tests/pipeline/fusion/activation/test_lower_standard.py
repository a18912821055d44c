"""GELU and swish become the standard operators."""

import pytest

from pipeline.fusion.activation.find import find_activations
from pipeline.fusion.activation.lower_standard import FuseGelu, FuseSwish
from pipeline.fusion.construct import Pass
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline.text_graphs import (
    assert_becomes,
    assert_same_numbers,
    model_of,
)

TOLERANCE = 2e-6  # the operator's polynomial against the plain nodes', float32
CONST = """half = Constant<value_float=0.5>() one = Constant<value_float=1.0>()
    root2 = Constant<value_float=1.4142135>() three = Constant<value_float=3.0>()
    k = Constant<value_float=0.7978845608>() a = Constant<value_float=0.044715>()"""
ERF = "d = Div(x, root2) e = Erf(d) p = Add(e, one) "
TANH = """c = Pow(x, three) ac = Mul(a, c) i = Add(x, ac) z = Mul(k, i) t = Tanh(z)
    p = Add(one, t) """


def graph(body, const=CONST):
    return f"(float[B,S,8] x, float[B,S,8] u) => (float[B,S,8] y) {{ {const} {body} }}"


CASES = {
    "erf": (
        graph(ERF + "h = Mul(x, half) y = Mul(h, p)"),
        graph('y = Gelu<approximate="none">(x)', ""),
    ),
    "tanh": (
        graph(TANH + "h = Mul(x, half) y = Mul(h, p)"),
        graph('y = Gelu<approximate="tanh">(x)', ""),
    ),
    "gated": (
        graph(ERF + "h = Mul(x, half) g = Mul(h, p) y = Mul(u, g)"),
        graph('g = Gelu<approximate="none">(x) y = Mul(g, u)', ""),
    ),
    "without the half": (
        graph(ERF + "y = Mul(x, p)"),
        graph('g = Gelu<approximate="none">(x) t = Constant<value_float=2.0>() y = Mul(g, t)', ""),
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_gelu(before, after):
    assert_becomes(before, after, find_activations, FuseGelu())


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_numbers(before, scale):
    assert_same_numbers(before, find_activations, FuseGelu(), rtol=TOLERANCE, scale=scale)


SILU = graph("s = Sigmoid(x) y = Mul(s, x)")


def test_swish_needs_opset_24():
    assert FuseSwish().opset == 24
    model = model_of(SILU)
    (outcome,) = Rewriter(model, Facts(model), None).run(
        [Pass("activation", find_activations, (FuseGelu(), FuseSwish()))]
    )
    assert outcome.state == "plain"
    assert "needs opset 24, the graph has 23" in outcome.refusal.reason
