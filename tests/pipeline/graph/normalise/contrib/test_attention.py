"""Attention of com.microsoft in standard operators give the same numbers."""

import pytest

from tests.pipeline.graph.normalise.contrib.written_out import (
    SIZES,
    X,
    assert_standard_form_gives_the_same,
    assert_stays,
    text,
)

QKV = "float[B,S,8] q, float[B,T,8] k, float[B,T,8] v"
PAST = "float[B,2,P,4] pk, float[B,2,P,4] pv"
KEYS = "float[B,2,T,4] k, float[B,2,T,4] v"

CASES = {
    "attention": text(QKV, "y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v)"),
    "attention, scale and bias": text(
        f"{QKV}, float[24] b, float[1,2,S,T] m",
        "y = com.microsoft.MultiHeadAttention<num_heads=2, scale=0.3>(q, k, v, b, , m)"),
    "attention, padding": text(
        f"{QKV}, int64[B,T] mask", """n = Cast<to=6>(mask)
        y = com.microsoft.MultiHeadAttention<num_heads=2, mask_filter_value=-3.0>(q, k, v, , n)"""),
    "attention, lengths": text(
        f"{QKV}, int64[B] long", """n = Cast<to=6>(long)
        y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v, , n)"""),
    "attention, causal over a past": text(
        f"float[B,S,8] q, float[B,S,8] k, float[B,S,8] v, {PAST}",
        "y, a, b = com.microsoft.MultiHeadAttention<num_heads=2, unidirectional=1>"
        "(q, k, v, , , , pk, pv)",
        "float[B,S,8] y, float[B,2,U,4] a, float[B,2,U,4] b"),
    "attention over cached keys": text(
        f"float[B,S,8] q, {KEYS}", "y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v)"),
    "packed attention": text(
        f"{X}, float[8,24] w, float[24] b, int64[B,S] mask", """n = Cast<to=6>(mask)
        y = com.microsoft.Attention<num_heads=2>(x, w, b, n)"""),
    "packed attention, causal over a past": text(
        f"{X}, float[8,24] w, float[24] b, float[2,B,2,P,4] past",
        "y, z = com.microsoft.Attention<num_heads=2, unidirectional=1>(x, w, b, , past)",
        "float[B,S,8] y, float[2,B,2,U,4] z"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_standard_form_gives_the_same_numbers(case, sizes):
    assert_standard_form_gives_the_same(case, sizes)


LEFT = {
    "ends and starts": text(f"{QKV}, int64[4] at", """n = Cast<to=6>(at)
        y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v, , n)"""),
    "packed queries, keys and values": text(
        "float[B,S,2,3,4] q", "y = com.microsoft.MultiHeadAttention<num_heads=2>(q)"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT.values(), ids=LEFT)
def test_forms_without_a_standard_one_stay(case):
    assert_stays(case)
