"""A bias is taken into Gelu only when nobody else reads the sum."""

import pytest

from pipeline.fusion.ort.bias_gelu.find import find_bias_gelus
from tests.pipeline.text_graphs import found_in, only_site


def graph(body, more=""):
    return f"(float[B,S,8] x, float[8] b, float[1,8] c) => (float[B,S,8] y{more}) {{ {body} }}"


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("s = Add(x, b) y = Gelu(s)", "bias + GELU"),
        ('s = Add(b, x) y = Gelu<approximate="tanh">(s)', "bias + GELU (tanh)"),
    ],
    ids=["erf", "tanh"],
)
def test_found(body, form):
    site = only_site(graph(body), find_bias_gelus)
    assert (site.x.name, site.bias.name, site.form) == ("x", "b", form)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("y = Gelu(x)", ""),
        ("s = Add(x, c) y = Gelu(s)", ""),
        ("s = Add(x, x) y = Gelu(s)", ""),
        ("s = Add(x, b) y = Gelu(s)", ", float[B,S,8] s"),
    ],
    ids=["no sum", "bias of rank 2", "no vector", "second consumer"],
)
def test_not_found(body, more):
    assert found_in(graph(body, more), find_bias_gelus) == []
