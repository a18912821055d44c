"""Norms of com.microsoft in standard operators give the same numbers."""

import pytest

from tests.pipeline.graph.normalise.contrib.written_out import (
    SIZES,
    SKIP,
    B,
    W,
    X,
    assert_standard_form_gives_the_same,
    assert_stays,
    text,
)

IDS = "int64[B,S] ids"
TABLES = "float[10,8] words, float[16,8] places, float[3,8] kinds"

CASES = {
    "skip": text(f"{X}, {SKIP}, {W}, {B}, float[8] c",
                 "y = com.microsoft.SkipLayerNormalization<epsilon=1e-6>(x, skip, w, b, c)"),
    "skip, no beta": text(f"{X}, {SKIP}, {W}",
                          "y = com.microsoft.SkipLayerNormalization(x, skip, w)"),
    "skip and its sum": text(f"{X}, {SKIP}, {W}, {B}",
                             "y, m, v, s = com.microsoft.SkipLayerNormalization(x, skip, w, b)",
                             "float[B,S,8] y, float[B,S,8] s"),
    "skip rms": text(f"{X}, {SKIP}, {W}, {B}",
                     "y, m, v, s = com.microsoft.SkipSimplifiedLayerNormalization(x, skip, w, b)",
                     "float[B,S,8] y, float[B,S,8] s"),
    "rms": text(f"{X}, {W}", "y = SimplifiedLayerNormalization<axis=-1, epsilon=1e-4>(x, w)"),
    "embed": text(f"{IDS}, int64[B,S] seg, {TABLES}, {W}, {B}", """
        i = Cast<to=6>(ids) j = Cast<to=6>(seg)
        y, z = com.microsoft.EmbedLayerNormalization(i, j, words, places, kinds, w, b)"""),
    "embed, mask": text(f"{IDS}, int64[B,S] mask, {TABLES}, {W}, {B}", """
        i = Cast<to=6>(ids) m = Cast<to=6>(mask)
        y, z = com.microsoft.EmbedLayerNormalization(i, , words, places, , w, b, m)""",
                        "float[B,S,8] y, int32[B] z"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_standard_form_gives_the_same_numbers(case, sizes):
    assert_standard_form_gives_the_same(case, sizes)


LEFT = {
    "statistics are read": text(f"{X}, {SKIP}, {W}", """
        z, m = com.microsoft.SkipLayerNormalization(x, skip, w) y = Add(z, m)"""),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT.values(), ids=LEFT)
def test_forms_without_a_standard_one_stay(case):
    assert_stays(case)
