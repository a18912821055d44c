"""Products of com.microsoft in standard operators give the same numbers."""

import pytest

from tests.pipeline.graph.normalise.contrib.written_out import (
    SIZES,
    X,
    assert_standard_form_gives_the_same,
    assert_stays,
    text,
)

ROTARY = "int64[B,S] at, float[32,2] cos, float[32,2] sin"

CASES = {
    "fused product": text("float[B,8,S] x, float[8,8] w",
                          "y = com.microsoft.FusedMatMul<transA=1, transB=1, alpha=0.5>(x, w)"),
    "rotary": text(f"float[B,2,S,4] x, {ROTARY}",
                   "y = com.microsoft.RotaryEmbedding(x, at, cos, sin)",
                   "float[B,2,S,4] y"),
    "rotary, flat and interleaved": text(
        f"{X}, {ROTARY}", "y = com.microsoft.RotaryEmbedding<interleaved=1>(x, at, cos, sin)"),
    "rotary from a start": text(
        f"{X}, int64[1] at, float[32,2] cos, float[32,2] sin",
        "y = com.microsoft.RotaryEmbedding(x, at, cos, sin)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_standard_form_gives_the_same_numbers(case, sizes):
    assert_standard_form_gives_the_same(case, sizes)


LEFT = {
    "batches transposed": text(
        "float[S,B,8] x, float[8,8] w", "y = com.microsoft.FusedMatMul<transBatchA=1>(x, w)"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT.values(), ids=LEFT)
def test_forms_without_a_standard_one_stay(case):
    assert_stays(case)
