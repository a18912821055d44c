"""Residual sums are joined with the norm operators that read them."""

import pytest

from pipeline.fusion.ort.residual_norm.find import find_residual_norms
from tests.pipeline.text_graphs import found_in, only_site


def graph(body, x="float[B,S,8] a, float[B,S,8] c", y="float[B,S,8] y, float[B,S,8] s"):
    return f"({x}, float[8] w, float[8] b, float[8] bias) => ({y}) {{ {body} }}"


@pytest.mark.parametrize(
    ("norm", "form", "epsilon"),
    [
        ("LayerNormalization<epsilon=0.1>(s, w, b)", "residual + LayerNorm", 0.1),
        ("RMSNormalization(s, w)", "residual + RMSNorm", 1e-5),
        ("SimplifiedLayerNormalization<epsilon=0.5>(s, w)", "residual + RMSNorm", 0.5),
    ],
    ids=["layer", "rms", "simplified"],
)
def test_kinds(norm, form, epsilon):
    site = only_site(graph(f"s = Add(a, c) y = {norm}"), find_residual_norms)
    assert (site.form, site.left.name, site.right.name) == (form, "a", "c")
    assert site.epsilon == pytest.approx(epsilon)
    assert [v.name for v in site.outputs] == ["y", "s"]


@pytest.mark.parametrize(
    "sums",
    ["d = Add(a, bias) s = Add(d, c)", "d = Add(bias, a) s = Add(c, d)"],
    ids=["left", "right"],
)
def test_a_bias_of_one_stream_is_taken_in(sums):
    site = only_site(graph(f"{sums} y = RMSNormalization(s, w)"), find_residual_norms)
    assert site.form == "bias + residual + RMSNorm"
    assert {site.left.name, site.right.name} == {"a", "c"}


def test_a_biased_stream_with_a_second_consumer_stays():
    body = "d = Add(a, bias) s = Add(d, c) y = RMSNormalization(s, w) e = Neg(d)"
    outputs = "float[B,S,8] y, float[B,S,8] s, float[B,S,8] e"
    site = only_site(graph(body, y=outputs), find_residual_norms)
    assert (site.bias, site.left.name) == (None, "d")


@pytest.mark.parametrize(
    ("body", "x"),
    [
        ("s = Add(a, c) y = RMSNormalization(s, w)", "float[B,S,8] a, float[1,S,8] c"),
        ("s = Add(a, bias) y = RMSNormalization(s, w)", "float[B,S,8] a, float[B,S,8] c"),
        ("s = Add(a, c) y = RMSNormalization(s, w)", "float[B,H,S,8] a, float[B,H,S,8] c"),
        ("s = Mul(a, c) y = RMSNormalization(s, w)", "float[B,S,8] a, float[B,S,8] c"),
        ("s = Add(a, c) y = RMSNormalization<axis=1>(s, w2)",
         "float[B,4,8] a, float[B,4,8] c, float[4,8] w2"),
    ],
    ids=["broadcast", "bias only", "rank 4", "no sum", "several axes"],
)  # fmt: skip
def test_other_norms_are_not_sites(body, x):
    assert found_in(graph(body, x), find_residual_norms) == []
