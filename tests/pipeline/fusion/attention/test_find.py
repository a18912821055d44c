"""Attention found in every spelling, and softmaxes that are none."""

import math

import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.steps import PAIRS, SCORES, VALUES
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.view import axis_size
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

SCALE = pytest.approx(1 / math.sqrt(8), rel=1e-6)


def sizes(site):
    return [
        str(axis_size(a)) for a in (site.batch, site.heads, site.kv_heads, site.rows, site.keys)
    ]


FORMS = {
    "heads from a projection": (graphs.attention(), ["B", "4", "4", "S", "T"]),
    "scale divided": (
        graphs.attention(
            "e = Constant<value = float {2.828427}>() qk = MatMul(qh, kh) s = Div(qk, e)"
            " p = Softmax<axis=-1>(s)"
        ),
        ["B", "4", "4", "S", "T"],
    ),
    "scale split over both operands": (
        graphs.attention(
            "r = Constant<value = float {0.5946036}>() qs = Mul(qh, r) ks = Mul(r, kh)"
            " s = MatMul(qs, ks) p = Softmax<axis=-1>(s)"
        ),
        ["B", "4", "4", "S", "T"],
    ),
    "grouped keys by expansion": (graphs.GROUPED, ["B", "4", "2", "S", "T"]),
    "batch and heads folded": (graphs.FOLDED, ["B", "4", "4", "6", "6"]),
    "einsum": (graphs.EINSUM, ["B", "4", "4", "S", "T"]),
    "scores transposed": (graphs.SWAPPED, ["B", "4", "4", "S", "T"]),
    "sink": (graphs.SINK, ["B", "4", "4", "S", "S"]),
    "heads after rows and keys": (graphs.HEADS_LAST, ["B", "4", "4", "S", "T"]),
}


@pytest.mark.parametrize(("text", "expected"), FORMS.values(), ids=FORMS)
def test_every_spelling_fills_the_same_roles(text, expected):
    site = only_site(text, find_attention)
    assert sizes(site) == expected
    assert site.scale == SCALE
    assert axis_size(site.size) == 8


MASKS = {
    "added": ("qk = MatMul(qh, kh) t = Mul(qk, half) s = Add(t, m) p = Softmax<axis=-1>(s)",
              "float[B,1,1,T]", ["add"]),
    "added before the scale": (
        "qk = MatMul(qh, kh) t = Add(m, qk) s = Mul(t, half) p = Softmax<axis=-1>(s)",
        "float[B,1,S,T]", ["add", "scale"]),
    "kept where true": (
        "qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) p = Softmax<axis=-1>(s)",
        "bool[B,1,S,T]", ["keep"]),
    "dropped where true": (
        "qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, low, t) p = Softmax<axis=-1>(s)",
        "bool[S,T]", ["keep"]),
    "replaced by a tensor filled with one number": (
        "qk = MatMul(qh, kh) t = Mul(qk, half) z = Shape(t)"
        " f = ConstantOfShape<value = float[1] {-1e9}>(z) s = Where(m, t, f)"
        " p = Softmax<axis=-1>(s)", "bool[B,1,S,T]", ["keep"]),
    "subtracted maximum": (
        "qk = MatMul(qh, kh) t = Mul(qk, half) a = Add(t, m) x = ReduceMax(a) s = Sub(a, x)"
        " p = Softmax<axis=-1>(s)", "float[T]", ["add"]),
}  # fmt: skip


@pytest.mark.parametrize(("core", "kind", "expected"), MASKS.values(), ids=MASKS)
def test_masks_become_steps_in_their_order(core, kind, expected):
    site = only_site(graphs.masked(core, kind), find_attention)
    assert [step.kind for step in site.mask] == expected
    assert site.mask[0].inverted == ("low, t" in core)


def test_a_nan_guard_means_zero_rows():
    core = ("qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) g = Softmax<axis=-1>(s)"
            " n = IsNaN(g) p = Where(n, zero, g)")  # fmt: skip
    assert only_site(graphs.masked(core, "bool[B,1,S,T]"), find_attention).zero_rows


ZEROED = """qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, low)
    g = Softmax<axis=-1>(s) p = Where({mask}, g, zero)"""


def test_probabilities_masked_again_mean_zero_rows():
    site = only_site(graphs.masked(ZEROED.format(mask="m"), "bool[B,1,S,T]"), find_attention)
    assert site.zero_rows
    assert [step.fill for step in site.mask] == [-math.inf]


def test_probabilities_masked_by_another_mask_are_refused():
    text = graphs.masked(ZEROED.format(mask="c"), "bool[S,T] c, bool[B,1,S,T]")
    assert only_refusal(text, find_attention).reason == (
        "probabilities are masked where no scores were"
    )


def test_probabilities_that_others_read_are_one_more_output():
    site = only_site(graphs.WEIGHTS, find_attention)
    assert [v.name for v in site.outputs] == ["y", "p"]
    assert site.form.endswith("weights returned")
    used = graphs.attention(tail=graphs.TAIL + " w = ReduceMean(p)", outputs=", float[1,1,1,1] w")
    assert [v.name for v in only_site(used, find_attention).outputs] == ["y", "p"]


def test_each_product_with_values_is_an_attention():
    sites = found_in(graphs.TWO_VALUES, find_attention)
    assert [site.outputs[0].name for site in sites] == ["y", "y2"]
    assert [site.v.base.name for site in sites] == ["v", "u"]


def test_a_cache_is_taken_in():
    site = only_site(graphs.CACHED, find_attention)
    assert site.cache is not None
    assert site.cache.length == Dim.of("P")
    assert [v.name for v in site.outputs] == ["y", "nk", "nv"]
    assert str(axis_size(site.new_keys)) == "S"


def test_soft_cap_is_read_as_a_number():
    core = ("c = Constant<value = float {30.0}>() qk = MatMul(qh, kh) t = Mul(qk, half)"
            " d = Div(t, c) h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)")  # fmt: skip
    assert only_site(graphs.attention(core), find_attention).cap == 30.0


def test_a_classifier_is_no_candidate():
    text = """(float[B,8] x, float[8,4] w) => (float[B,4] y) {
        l = MatMul(x, w) y = Softmax<axis=-1>(l) }"""
    assert found_in(text, find_attention) == []


REFUSALS = {
    "probabilities beside a sink": (
        graphs.SINK.replace("(float[B,4,S,8] y)", "(float[B,4,S,8] y, float[B,4,S,S] p)"),
        PAIRS, "beside a sink"),
    "probabilities cut in two": (
        graphs.attention(tail="""one = Constant<value_ints=[1]>() last = Constant<value_ints=[3]>()
            axis = Constant<value_ints=[2]>()
            none = Constant<value_ints=[0]>() all = Constant<value_ints=[999]>()
            p1 = Slice(p, none, one, last) p2 = Slice(p, one, all, last)
            v1 = Slice(vh, none, one, axis) v2 = Slice(vh, one, all, axis)
            o1 = MatMul(p1, v1) o2 = MatMul(p2, v2)
            o = Add(o1, o2) ot = Transpose<perm=[0, 2, 1, 3]>(o) y = Reshape(ot, back)"""),
        VALUES, "2 consumers (Slice)"),
    "an operator of its own on the scores": (
        graphs.attention("qk = MatMul(qh, kh) t = Mul(qk, half) s = Relu(t)"
                         " p = Softmax<axis=-1>(s)"), SCORES, "Relu"),
    "scores divided by zero": (
        graphs.attention("qk = MatMul(qh, kh) s = Div(qk, zero) p = Softmax<axis=-1>(s)"),
        SCORES, "Div"),
    "a mask that is no mask": (
        graphs.masked("qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, zero)"
                      " p = Softmax<axis=-1>(s)", "bool[B,1,S,T]"), PAIRS, "which is no mask"),
    "softmax over the heads": (
        graphs.attention("qk = MatMul(qh, kh) s = Mul(qk, half) p = Softmax<axis=1>(s)"),
        PAIRS, "does not run over the keys"),
    "soft-cap after a bias": (
        graphs.masked("c = Constant<value = float {30.0}>() qk = MatMul(qh, kh) t = Add(qk, m)"
                      " d = Div(t, c) h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)",
                      "float[B,1,S,T]"), PAIRS, "after a bias"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "step", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_how_far_it_came_and_why(text, step, reason):
    refusal = only_refusal(text, find_attention)
    assert refusal.step == step
    assert reason in refusal.reason
    assert refusal.node is not None
