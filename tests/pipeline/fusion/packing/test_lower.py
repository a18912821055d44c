"""Packed tensors are split before they are transposed, bit for bit."""

import numpy as np
import pytest

from pipeline.fusion.packing.find import find_packings
from pipeline.fusion.packing.lower import SplitBeforeTranspose
from tests.pipeline.fusion.packing.test_find import (
    DROPPED,
    GATHERS,
    HEAD,
    HEADS,
    KEPT,
    OTHER,
    SLICES,
    SPLIT,
)
from tests.pipeline.text_graphs import (
    assert_becomes,
    feeds_of,
    listing,
    model_of,
    numbers_of,
    rewritten,
)

AFTER = """(float[B,S,24] x) => (float[B,2,S,4] a, float[B,2,S,4] b, float[B,2,S,4] c) {
    n = Constant<value_ints=[8, 8, 8]>() q, k, v = Split<axis=2>(x, n)
    to = Constant<value_ints=[0, 0, 2, 4]>()
    q4 = Reshape(q, to) a = Transpose<perm=[0, 2, 1, 3]>(q4)
    k4 = Reshape(k, to) b = Transpose<perm=[0, 2, 1, 3]>(k4)
    v4 = Reshape(v, to) c = Transpose<perm=[0, 2, 1, 3]>(v4) }"""
PER_HEAD = """(float[B,S,24] x) => (float[B,2,S,4] a, float[B,2,S,4] b, float[B,2,S,4] c) {
    shape = Constant<value_ints=[0, -1, 2, 3, 4]>() v = Reshape(x, shape)
    t = Transpose<perm=[3, 0, 2, 1, 4]>(v) """ + GATHERS + "}"  # fmt: skip


def test_before_and_after():
    before = HEAD.format(outputs=DROPPED, body=GATHERS)
    assert_becomes(before, AFTER, find_packings, SplitBeforeTranspose())


@pytest.mark.parametrize(
    "text",
    [
        HEAD.format(outputs=KEPT, body=SLICES),
        HEAD.format(outputs=DROPPED, body=GATHERS),
        HEAD.format(outputs=KEPT, body=SPLIT),
        HEADS,
        PER_HEAD,
        HEAD.format(outputs="float[1,B,2,S,4] b", body=SPLIT),
    ],
    ids=["slices", "unbind by index", "split", "grouped heads", "packed per head", "one of three"],
)
def test_numbers_stay_bit_for_bit(text):
    model = model_of(text)
    feeds = feeds_of(model)
    changed = rewritten(text, find_packings, SplitBeforeTranspose())
    for want, got in zip(numbers_of(model, feeds), numbers_of(changed, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_whole_is_never_transposed():
    for text in (HEAD.format(outputs=KEPT, body=SLICES), HEADS, PER_HEAD):
        lines = listing(rewritten(text, find_packings, SplitBeforeTranspose()))
        split = next(i for i, line in enumerate(lines) if " Split<" in line)
        assert not [line for line in lines[:split] if " Transpose<" in line]


def test_what_is_read_whole_too_stays():
    with pytest.raises(AssertionError):
        rewritten(OTHER["the whole is read too"], find_packings, SplitBeforeTranspose())
