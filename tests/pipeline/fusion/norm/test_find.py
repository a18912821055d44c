"""Norms are found in any spelling; what nearly is one is refused with the first reason."""

import pytest

from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.steps import AXES, DIVIDED, ROOT
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

CONST = """
    axes = Constant<value_ints=[-1]>() eps = Constant<value_float=1e-5>()
    two = Constant<value_float=2.0>() one = Constant<value_float=1.0>()
    half = Constant<value_float=0.5>() minus = Constant<value_float=-0.5>()
    n = Constant<value_float=8.0>()
"""
CENTRED = """
    m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, axes)
"""


def graph(body, inputs="", x="float[B,S,8] x", y="float[B,S,8] y"):
    return f"({x}, float[8] w, float[8] b{inputs}) => ({y}) {{ {CONST} {body} }}"


LAYER_NORMS = {
    "sqrt": CENTRED + "ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r) s = Mul(z, w) y = Add(s, b)",
    "reciprocal first": CENTRED
    + "ve = Add(eps, v) r = Sqrt(ve) i = Reciprocal(r) iw = Mul(w, i) s = Mul(d, iw) y = Add(b, s)",
    "pow": CENTRED
    + "ve = Add(v, eps) i = Pow(ve, minus) z = Mul(i, d) s = Mul(z, w) y = Add(s, b)",
    "one over root": CENTRED
    + "ve = Add(v, eps) r = Pow(ve, half) i = Div(one, r) z = Mul(d, i) s = Mul(z, w)"
    " y = Add(s, b)",
    "weight on x": CENTRED
    + "ve = Add(v, eps) r = Sqrt(ve) dw = Mul(d, w) z = Div(dw, r) y = Add(z, b)",
    "difference of means": """
        m = ReduceMean(x, axes) p = Pow(x, two) pm = ReduceMean(p, axes) mm = Mul(m, m)
        v = Sub(pm, mm) ve = Add(v, eps) r = Sqrt(ve) d = Sub(x, m) z = Div(d, r)
        s = Mul(z, w) y = Add(s, b)""",
    "sums over n": """
        t = ReduceSum(x, axes) m = Div(t, n) d = Sub(x, m) q = Pow(d, two) u = ReduceSum(q, axes)
        v = Div(u, n) ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r) s = Mul(z, w) y = Add(s, b)""",
    "mean computed twice": """
        m = ReduceMean(x, axes) m2 = ReduceMean(x, axes) d = Sub(x, m) d2 = Sub(x, m2)
        q = Mul(d2, d2) v = ReduceMean(q, axes) ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r)
        s = Mul(z, w) y = Add(s, b)""",
    **{
        f"difference of means, never below zero by {name}": f"""
        zero = Constant<value_float=0.0>() none = Constant<value_float=-1.0>()
        m = ReduceMean(x, axes) p = Mul(x, x) pm = ReduceMean(p, axes) mm = Mul(m, m)
        u = Sub(pm, mm) v = {clamp} ve = Add(v, eps) r = Sqrt(ve) d = Sub(x, m) z = Div(d, r)
        s = Mul(z, w) y = Add(s, b)"""
        for name, clamp in {
            "Max": "Max(zero, u)",
            "a lower bound": "Max(u, none)",
            "Relu": "Relu(u)",
            "Clip": "Clip(u, zero)",
        }.items()
    },
    "shift and scale folded": CENTRED
    + """ve = Add(v, eps) r = Sqrt(ve) i = Reciprocal(r) g = Mul(i, w) xg = Mul(x, g)
        mg = Mul(m, g) c = Sub(b, mg) y = Add(xg, c)""",
}


@pytest.mark.parametrize("body", LAYER_NORMS.values(), ids=LAYER_NORMS.keys())
def test_layer_norm(body):
    site = only_site(graph(body), find_norms)
    assert site.centred
    assert (site.axes, site.sizes) == ((-1,), (8,))
    assert site.epsilon == pytest.approx(1e-5, rel=1e-4)
    assert (site.weight.value.name, site.weight.factor, site.weight.offset) == ("w", 1.0, 0.0)
    assert (site.bias.value.name, site.bias.factor, site.bias.offset) == ("b", 1.0, 0.0)
    assert [v.name for v in site.outputs] == ["y"]
    assert site.form == "LayerNorm over 8"


SQUARES = "p = Pow(x, two) v = ReduceMean(p, axes) ve = Add(v, eps) "
RMS_NORMS = {
    "weight last": SQUARES + "r = Sqrt(ve) i = Reciprocal(r) z = Mul(x, i) y = Mul(w, z)",
    "divided": SQUARES + "r = Sqrt(ve) z = Div(x, r) y = Mul(z, w)",
    "weight on the divisor": SQUARES + "r = Sqrt(ve) i = Div(w, r) y = Mul(i, x)",
    "norm over root n": """
        l = ReduceL2(x, axes) rn = Constant<value_float=2.8284271>() m = Div(l, rn) q = Mul(m, m)
        ve = Add(q, eps) r = Sqrt(ve) z = Div(x, r) y = Mul(z, w)""",
    "dropped axis": """
        p = Mul(x, x) v = ReduceMean<keepdims=0>(p, axes) ve = Add(v, eps) r = Sqrt(ve)
        u = Unsqueeze(r, axes) z = Div(x, u) y = Mul(z, w)""",
}


@pytest.mark.parametrize("body", RMS_NORMS.values(), ids=RMS_NORMS.keys())
def test_rms_norm(body):
    site = only_site(graph(body), find_norms)
    assert not site.centred
    assert site.bias.is_zero
    assert (site.weight.value.name, site.weight.factor) == ("w", 1.0)
    assert site.form == "RMSNorm over 8"


def test_the_unit_offset_of_a_weight_is_a_role():
    body = SQUARES + "r = Sqrt(ve) z = Div(x, r) zw = Mul(z, w) y = Add(z, zw)"
    site = only_site(graph(body), find_norms)
    assert (site.weight.value.name, site.weight.factor, site.weight.offset) == ("w", 1.0, 1.0)


def test_without_a_weight():
    site = only_site(graph(SQUARES + "r = Sqrt(ve) y = Div(x, r)"), find_norms)
    assert site.weight.is_one


@pytest.mark.parametrize(
    ("body", "epsilon", "factor"),
    [
        ("l = ReduceL2(x, axes) z = Div(x, l) y = Mul(z, w)", 0.0, 8**-0.5),
        ("l = ReduceL2(x, axes) t = Constant<value_float=1e-12>() f = Max(l, t) z = Div(x, f)"
         "y = Mul(z, w)", 1e-24 / 8, 8**-0.5),
    ],
    ids=["plain", "bounded below"],
)  # fmt: skip
def test_division_by_the_norm_is_rms_norm_rescaled(body, epsilon, factor):
    site = only_site(graph(body), find_norms)
    assert site.epsilon == pytest.approx(epsilon)
    assert site.weight.factor == pytest.approx(factor)


def test_a_variance_over_n_minus_1_rescales_weight_and_epsilon():
    body = """m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) u = ReduceSum(q, axes)
        seven = Constant<value_float=7.0>() v = Div(u, seven) ve = Add(v, eps) r = Sqrt(ve)
        z = Div(d, r) s = Mul(z, w) y = Add(s, b)"""
    site = only_site(graph(body), find_norms)
    assert site.weight.factor == pytest.approx((7 / 8) ** 0.5)
    assert site.epsilon == pytest.approx(1e-5 * 7 / 8, rel=1e-4)


@pytest.mark.parametrize("weight_after", [True, False], ids=["weight after", "weight inside"])
def test_a_float32_island_keeps_the_type_of_x(weight_after):
    inside = "f = Cast<to=1>(x) p = Mul(f, f) v = ReduceMean(p, axes) ve = Add(v, eps)"
    inside += " r = Sqrt(ve) z = Div(f, r) "
    if weight_after:
        inside += "h = Cast<to=10>(z) wh = Cast<to=10>(w) y = Mul(h, wh)"
    else:
        inside += "s = Mul(z, w) y = Cast<to=10>(s)"
    text = graph(inside, x="float16[B,S,8] x", y="float16[B,S,8] y")
    site = only_site(text, find_norms)
    assert site.x.name == "x"
    assert site.weight.value is not None


def test_an_island_that_stays_float32_starts_behind_the_cast():
    body = "f = Cast<to=1>(x) p = Mul(f, f) v = ReduceMean(p, axes) ve = Add(v, eps)"
    body += " r = Sqrt(ve) z = Div(f, r) y = Mul(z, w)"
    site = only_site(graph(body, x="float16[B,S,8] x"), find_norms)
    assert site.x.name == "f"


def test_channels_first():
    body = """a = Constant<value_ints=[1]>() m = ReduceMean(x, a) d = Sub(x, m) q = Mul(d, d)
        v = ReduceMean(q, a) ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r)
        ends = Constant<value_ints=[1, 2]>() wc = Unsqueeze(w, ends) bc = Unsqueeze(b, ends)
        s = Mul(z, wc) y = Add(s, bc)"""
    text = graph(body, x="float[B,8,H,W] x", y="float[B,8,H,W] y")
    site = only_site(text, find_norms)
    assert site.axes == (-3,)
    assert site.bias.value.name == "bc"
    assert site.form == "LayerNorm over 8 on axis -3"


def test_several_last_axes():
    body = """a = Constant<value_ints=[1, 2]>() p = Mul(x, x) v = ReduceMean(p, a) ve = Add(v, eps)
        r = Sqrt(ve) z = Div(x, r) y = Mul(z, w)"""
    text = graph(body, x="float[B,4,8] x", y="float[B,4,8] y")
    assert only_site(text, find_norms).sizes == (4, 8)


def test_a_second_consumer_ends_the_norm():
    """The normalised tensor is needed without its weight, so the weight stays outside."""
    body = SQUARES + "r = Sqrt(ve) z = Div(x, r) y = Mul(z, w) y2 = Neg(z)"
    site = only_site(graph(body, y="float[B,S,8] y, float[B,S,8] y2"), find_norms)
    assert [v.name for v in site.outputs] == ["z"]
    assert site.weight.is_one


def test_a_residual_is_no_bias():
    body = CENTRED + "ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r) s = Mul(z, w) y = Add(s, x2)"
    site = only_site(graph(body, inputs=", float[B,S,8] x2"), find_norms)
    assert [v.name for v in site.outputs] == ["s"]


def test_a_modulation_by_another_tensor_stays_outside():
    body = CENTRED + "ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r) y = Mul(z, g)"
    site = only_site(graph(body, inputs=", float[B,1,8] g"), find_norms)
    assert [v.name for v in site.outputs] == ["z"]


@pytest.mark.parametrize(
    ("variance", "outer"),
    [("", 1e-5), ("f = Constant<value_float=1.1428572>() u = Mul(v, f)", 1e-5 * 0.875**0.5)],
    ids=["over N", "over N - 1"],
)
def test_epsilon_after_the_root_is_read(variance, outer):
    root = f"{variance} r = Sqrt({'u' if variance else 'v'}) re = Add(r, eps)"
    body = f"{CENTRED} {root} z = Div(d, re) s = Mul(z, w) y = Add(s, b)"
    site = only_site(graph(body), find_norms)
    assert site.epsilon == 0.0
    assert site.outer_epsilon == pytest.approx(outer, rel=1e-6)
    assert site.weight.factor == pytest.approx(outer / 1e-5, rel=1e-6)


REFUSALS = {
    "a negated mean square": (
        "p = Mul(x, x) v = ReduceMean(p, axes) nv = Neg(v) ve = Add(nv, eps) r = Sqrt(ve)"
        " z = Div(x, r) y = Mul(z, w)",
        "LayerNorm", ROOT, "not added"),
    "epsilon outside": (
        "p = Mul(x, x) v = ReduceMean(p, axes) r = Sqrt(v) re = Add(r, eps) z = Div(x, re)"
        " y = Mul(z, w)",
        "RMSNorm", ROOT, "epsilon (1e-05) is added after the square root",
    ),
    "epsilon inside and outside": (
        CENTRED + "ve = Add(v, eps) r = Sqrt(ve) re = Add(r, eps) y = Div(d, re)",
        "LayerNorm", ROOT, "epsilon (1e-05) is added after the square root",
    ),
    "bounded far above zero": (
        "l = ReduceL2(x, axes) f = Max(l, half) z = Div(x, f) y = Mul(z, w)",
        "RMSNorm", ROOT, "the norm of x is bounded below by 0.5",
    ),
    "mean kept": (
        CENTRED + "ve = Add(v, eps) r = Sqrt(ve) z = Div(x, r) y = Mul(z, w)",
        "LayerNorm", DIVIDED, "the mean is not subtracted from x",
    ),
    "mean taken off one side": (
        SQUARES + "m = ReduceMean(x, axes) d = Sub(x, m) r = Sqrt(ve) z = Div(d, r) y = Mul(z, w)",
        "RMSNorm", DIVIDED, "the mean is subtracted from x while the mean square is not centred",
    ),
    "mean squared by half": (
        SQUARES.replace("ve = Add(v, eps)", "") + """m = ReduceMean(x, axes) mm = Mul(m, m)
        hm = Mul(mm, half) c = Sub(v, hm) ve = Add(c, eps) d = Sub(x, m) r = Sqrt(ve)
        y = Div(d, r)""",
        "LayerNorm", ROOT, "the mean is not subtracted in full before squaring",
    ),
    "more under the root": (
        SQUARES + "o = Add(ve, b) r = Sqrt(o) z = Div(x, r) y = Mul(z, w)",
        "LayerNorm", ROOT, "more than the mean square and epsilon is under the root",
    ),
    "size varies": (
        "a = Constant<value_ints=[1]>() p = Mul(x, x) v = ReduceMean(p, a) ve = Add(v, eps)"
        " r = Sqrt(ve) y = Div(x, r)",
        "InstanceNormalization", AXES, "the size of the normalised axes [-2] of [B, S, 8] varies",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "nearest", "step", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(body, nearest, step, reason):
    refusal = only_refusal(graph(body), find_norms)
    assert (refusal.nearest, refusal.step) == (nearest, step)
    assert reason in refusal.reason
    assert refusal.node is not None


def test_group_norm_is_refused():
    body = """to = Constant<value_ints=[0, 2, -1]>() g = Reshape(x, to) m = ReduceMean(g, axes)
        d = Sub(g, m) q = Mul(d, d) v = ReduceMean(q, axes) ve = Add(v, eps) r = Sqrt(ve)
        z = Div(d, r) s = Shape(x) y = Reshape(z, s)"""
    text = graph(body, x="float[B,8,3] x", y="float[B,8,3] y")
    refusal = only_refusal(text, find_norms)
    assert refusal.nearest == "GroupNormalization or InstanceNormalization"
    assert "12 normalised elements are several axes" in refusal.reason


def test_weights_on_other_axes_are_refused():
    body = """a = Constant<value_ints=[2, 3]>() m = ReduceMean(x, a) d = Sub(x, m) q = Mul(d, d)
        v = ReduceMean(q, a) ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r)
        ends = Constant<value_ints=[1, 2]>() wc = Unsqueeze(w, ends) y = Mul(z, wc)"""
    text = graph(body, x="float[B,8,4,4] x", y="float[B,8,4,4] y")
    (site,) = found_in(text, find_norms)
    assert [v.name for v in site.outputs] == ["z"]
    assert site.weight.is_one


def test_float64_is_refused():
    body = "p = Mul(x, x) v = ReduceMean(p, axes) e = Cast<to=11>(eps) ve = Add(v, e)"
    body += " r = Sqrt(ve) y = Div(x, r)"
    text = graph(body, x="double[B,S,8] x", y="double[B,S,8] y")
    assert "float64" in only_refusal(text, find_norms).reason


@pytest.mark.parametrize(
    "body",
    [
        "y = ReduceMean(x, axes)",
        "p = Mul(x, x) y = ReduceMean(p, axes)",
        "p = Mul(x, x) v = ReduceMean(p, axes) y = Sqrt(v)",
        "p = Mul(x, w) v = ReduceMean(p, axes) ve = Add(v, eps) r = Sqrt(ve) y = Div(x, r)",
    ],
    ids=["mean", "mean square", "rms alone", "no square"],
)
def test_other_reductions_are_not_mentioned(body):
    assert found_in(graph(body, y="float y"), find_norms) == []
