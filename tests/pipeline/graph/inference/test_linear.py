"""Matrix products."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, shape_of

IN = "(float[B,S,8] x, float[B,8,T] y, float[8,6] w, float[8] v) => (float[N] o) "
CASES = {
    "batched": ("o = MatMul(x, y)", "B, S, T"),
    "weights": ("o = MatMul(x, w)", "B, S, 6"),
    "vector": ("o = MatMul(x, v)", "B, S"),
    "gemm": ("f = Flatten<axis=2>(x) o = Gemm(f, w)", "B*S, 6"),
    "gemm transposed": ("t = Transpose<perm=[1,0]>(w) f = Flatten<axis=2>(x) \
o = Gemm<transB=1>(f, t)", "B*S, 6"),
    "einsum": ('o = Einsum<equation="bsd,bdt->bts">(x, y)', "B, T, S"),
    "einsum dots": ('o = Einsum<equation="...d, de -> ...e">(x, w)', "B, S, 6"),
    "einsum implicit": ('o = Einsum<equation="bsd,de">(x, w)', "B, 6, S"),
    "fused": ("o = com.microsoft.FusedMatMul<transA=1>(y, y)", "B, T, T"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = IN + "{" + body + "}"
    assert shape_of(text) == expected
    assert_claims(text)


def test_integers():
    text = "(uint8[B,8] x, uint8[8,4] w) => (int32[B,4] o) { o = MatMulInteger(x, w) }"
    assert_claims(text)


def test_summed_sizes_are_equal():
    text = "(float[B,K] x, float[J,T] y) => (float[B,T] o) { p = MatMul(x, y) q = MatMul(y, p) \
o = MatMul(x, q) }"
    assert shape_of(text) in ("B, T", "B, B", "T, T", "J, J", "K, K")
