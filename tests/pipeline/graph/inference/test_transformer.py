"""Norms, attention and rotary operators."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, shape_of

Q = "(float[B,4,S,8] q, float[B,2,T,8] k, float[B,2,T,6] v, float[B,2,P,8] pk, float[B,2,P,8] pv, \
float[B,2,S,8] n, float[B,S,32] x, float[B,T,16] y, float[B,T,12] z, float[32] w) => (float[N] o) "
CASES = {
    "attention": ("o = Attention(q, k, v)", "B, 4, S, 6"),
    "attention from rows": ("o = Attention<q_num_heads=4, kv_num_heads=2>(x, y, y)", "B, S, 32"),
    "another value size": ("o = Attention<q_num_heads=4, kv_num_heads=2>(x, y, z)", "B, S, 24"),
    "cache": ("o, a, b = Attention(q, n, n, , pk, pv)", "B, 4, S, 8"),
    "present": ("a, o, b = Attention(q, n, n, , pk, pv)", "B, 2, P + S, 8"),
    "layer norm": ("o = LayerNormalization(x, w)", "B, S, 32"),
    "rms norm": ("o = RMSNormalization(x, w)", "B, S, 32"),
    "multi head": ("o = com.microsoft.MultiHeadAttention<num_heads=4>(x, x, x)", "B, S, 32"),
    "skip": ("o = com.microsoft.SkipSimplifiedLayerNormalization(x, x, w)", "B, S, 32"),
    "gelu": ("o = com.microsoft.FastGelu(x)", "B, S, 32"),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = Q + "{" + body + "}"
    assert shape_of(text) == expected
    assert_claims(text)


def test_grouped_query_with_a_growing_cache():
    text = "(float[B,S,32] x, float[B,S,16] y, float[B,2,P,8] pk, float[B,2,P,8] pv, \
int32[B] lengths, int32 total) => (float[N] o) { t = Shape(pk) \
o, a, b = com.microsoft.GroupQueryAttention<num_heads=4, kv_num_heads=2>\
(x, y, y, pk, pv, lengths, total) }"
    assert shape_of(text) == "B, S, 32"
