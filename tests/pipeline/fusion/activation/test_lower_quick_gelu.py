"""SiLU and quick GELU become QuickGelu for ONNX Runtime."""

import pytest

from pipeline.fusion.activation.find import find_activations
from pipeline.fusion.activation.lower_quick_gelu import FuseQuickGelu
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers

TOLERANCE = 2e-6  # exponentials in float32


def graph(body):
    return f"""(float[B,S,8] x, float[B,S,8] u) => (float[B,S,8] y)
        {{ k = Constant<value_float=1.702>() {body} }}"""


CASES = {
    "silu": (
        graph("s = Sigmoid(x) y = Mul(s, x)"),
        graph("y = com.microsoft.QuickGelu<alpha=1.0>(x)"),
    ),
    "quick gelu": (
        graph("z = Mul(x, k) s = Sigmoid(z) y = Mul(x, s)"),
        graph("y = com.microsoft.QuickGelu<alpha=1.702>(x)"),
    ),
    "SwiGLU": (
        graph("s = Sigmoid(x) g = Mul(s, x) y = Mul(u, g)"),
        graph("g = com.microsoft.QuickGelu<alpha=1.0>(x) y = Mul(g, u)"),
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_activations, FuseQuickGelu())


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_numbers(before, scale):
    assert_same_numbers(before, find_activations, FuseQuickGelu(), rtol=TOLERANCE, scale=scale)
