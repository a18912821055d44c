"""Bias and GELU become one operator."""

import pytest

from pipeline.fusion.ort.bias_gelu.find import find_bias_gelus
from pipeline.fusion.ort.bias_gelu.lower import FuseBiasGelu
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers

TOLERANCE = 2e-6  # two polynomials of erf and tanh, float32


def graph(body):
    return f"(float[B,S,8] x, float[8] b) => (float[B,S,8] y) {{ {body} }}"


CASES = {
    "erf": (graph("s = Add(b, x) y = Gelu(s)"), graph("y = com.microsoft.BiasGelu(x, b)")),
    "tanh": (
        graph('s = Add(x, b) y = Gelu<approximate="tanh">(s)'),
        graph("y = com.microsoft.FastGelu(x, b)"),
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_bias_gelus, FuseBiasGelu())
    assert_same_numbers(before, find_bias_gelus, FuseBiasGelu(), rtol=TOLERANCE)
