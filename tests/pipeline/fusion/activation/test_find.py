"""Activations are found in any order of factors, with what they gate."""

import pytest

from pipeline.fusion.activation.find import CONSTANTS, find_activations
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

NUMBERS = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "root2": 1.4142135, "inv": 0.70710678,
    "k": 0.7978845608, "a": 0.044715, "quick": 1.702, "k2": 1.5957691216,
}  # fmt: skip
CONST = " ".join(f"{name} = Constant<value_float={x}>()" for name, x in NUMBERS.items())


def graph(body, more="", y="float[B,S,8] y"):
    return f"(float[B,S,8] x, float[B,S,8] u) => ({y}{more}) {{ {CONST} {body} }}"


ERF = "d = Div(x, root2) e = Erf(d) p = Add(e, one) "
TANH = "z = Mul(k, i) t = Tanh(z) p = Add(one, t) h = Mul(half, x) y = Mul(h, p)"
FORMS = {
    "erf, half first": (ERF + "h = Mul(x, half) y = Mul(h, p)", "GELU"),
    "erf, half last": (ERF + "h = Mul(x, p) y = Mul(h, half)", "GELU"),
    "erf, half inside": (ERF + "h = Mul(p, half) y = Mul(h, x)", "GELU"),
    "erf, halved": (ERF + "h = Div(x, two) y = Mul(p, h)", "GELU"),
    "erf, multiplied out": (
        "d = Mul(inv, x) e = Erf(d) h = Mul(half, x) he = Mul(h, e) y = Add(h, he)", "GELU"),
    "tanh, cube by Pow": ("c = Pow(x, three) ac = Mul(a, c) i = Add(x, ac) " + TANH, "GELU (tanh)"),
    "tanh, cube by Mul": ("q = Mul(x, x) c = Mul(q, x) ac = Mul(c, a) i = Add(ac, x) " + TANH,
                          "GELU (tanh)"),
    "tanh, x factored out": ("q = Mul(x, x) aq = Mul(a, q) o = Add(one, aq) i = Mul(x, o) " + TANH,
                             "GELU (tanh)"),
    "tanh as sigmoid": ("c = Pow(x, three) ac = Mul(a, c) i = Add(x, ac) z = Mul(k2, i)"
                        " s = Sigmoid(z) y = Mul(x, s)", "GELU (tanh)"),
    "silu": ("s = Sigmoid(x) y = Mul(s, x)", "SiLU"),
    "silu by exp": ("n = Neg(x) e = Exp(n) p = Add(e, one) y = Div(x, p)", "SiLU"),
    "quick gelu": ("z = Mul(quick, x) s = Sigmoid(z) y = Mul(x, s)", "quick GELU"),
    "another alpha": ("z = Mul(two, x) s = Sigmoid(z) y = Mul(x, s)", "swish 2"),
    "SwiGLU": ("s = Sigmoid(x) g = Mul(s, x) y = Mul(g, u)", "SwiGLU"),
    "GeGLU": (ERF + "h = Mul(x, p) g = Mul(h, half) y = Mul(u, g)", "GeGLU"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "form"), FORMS.values(), ids=FORMS.keys())
def test_forms(body, form):
    site = only_site(graph(body), find_activations)
    assert (site.x.name, site.form, site.factor) == ("x", form, 1.0)
    assert [v.name for v in site.outputs] == ["y"]
    assert (site.up is not None) == ("GLU" in form)


def test_a_missing_half_is_kept_as_a_factor():
    site = only_site(graph(ERF + "y = Mul(x, p)"), find_activations)
    assert (site.form, site.factor) == ("GELU", pytest.approx(2.0))


def test_an_activation_with_a_second_consumer_gates_nothing():
    body = "s = Sigmoid(x) g = Mul(s, x) y = Mul(g, u) y2 = Neg(g)"
    site = only_site(graph(body, ", float[B,S,8] y2"), find_activations)
    assert site.up is None
    assert [v.name for v in site.outputs] == ["g"]


def test_a_scalar_factor_is_not_gated():
    site = only_site(graph("s = Sigmoid(x) g = Mul(s, x) y = Mul(g, two)"), find_activations)
    assert (site.up, site.factor) == (None, 1.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ERF.replace("root2", "two") + "h = Mul(x, half) y = Mul(h, p)",
         "erf is taken of 0.5 x and not of 0.707107 x"),
        ("c = Pow(x, three) ac = Mul(half, c) i = Add(x, ac) " + TANH,
         "tanh is taken of 0.797885 x + 0.398942 x^3"),
    ],
    ids=["erf", "tanh"],
)  # fmt: skip
def test_other_constants_are_refused(body, reason):
    refusal = only_refusal(graph(body), find_activations)
    assert refusal.step == CONSTANTS
    assert reason in refusal.reason


@pytest.mark.parametrize(
    "body",
    ["y = Tanh(x)", "s = Sigmoid(x) y = Mul(s, u)", "e = Erf(x) y = Mul(e, u)", "y = Exp(x)"],
    ids=["tanh", "gate", "erf", "exp"],
)
def test_other_uses_are_not_mentioned(body):
    assert found_in(graph(body), find_activations) == []
