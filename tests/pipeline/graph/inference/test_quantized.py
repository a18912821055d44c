"""Quantization and recurrent operators."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, shape_of

CASES = {
    "there and back": ("q = QuantizeLinear(x, s, z) o = DequantizeLinear(q, s, z)", "B, S, 8"),
    "dynamic": ("q, t, p = DynamicQuantizeLinear(x) o = DequantizeLinear(q, t, p)", "B, S, 8"),
    "gru": ("o, h = GRU<hidden_size=2>(x, w, r)", "B, 1, S, 2"),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = (
        "(float[B,S,8] x, float s, float[1,6,8] w, float[1,6,2] r) => (float[N] o) "
        "<uint8 z = {3}> {" + body + "}"
    )
    assert shape_of(text) == expected
    assert_claims(text)
