"""Attention as MultiHeadAttention, checked with the operator's CPU kernel."""

import numpy as np
import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_cuda import FuseAttentionCuda
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import (
    assert_same_numbers,
    feeds_of,
    model_of,
    numbers_of,
    rewritten,
)

TOLERANCE = 2e-6  # float32: two products of length 8 to 24 and a softmax
FUSE = FuseAttentionCuda()
FORMS = {
    "heads": graphs.attention(),
    "folded": graphs.FOLDED,
    "sink": graphs.SINK,
    "two values": graphs.TWO_VALUES,
    "cache": graphs.CACHED,
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_numbers_stay(text):
    assert_same_numbers(text, find_attention, FUSE, rtol=TOLERANCE)


def test_empty_rows_stay_zero():
    core = ("qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) g = Softmax<axis=-1>(s)"
            " n = IsNaN(g) p = Where(n, zero, g)")  # fmt: skip
    text = graphs.masked(core, "bool[B,1,S,T]")
    model = model_of(text)
    feeds = feeds_of(model) | {"m": np.ones((3, 1, 3, 3), dtype=bool)}
    feeds["m"][1, 0, 2] = False
    want = numbers_of(model, feeds)[0]
    got = numbers_of(rewritten(text, find_attention, FUSE), feeds)[0]
    assert not got[1, 2].any()
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * np.abs(want).max())


def test_grouped_heads_are_left_to_the_standard_operator():
    both = (FUSE, FuseAttentionStandard(target="ort-cuda"))
    model = rewritten(graphs.GROUPED, find_attention, *both)
    assert "Attention" in {n.op_type for n in model.graph}
