"""Rotary operators with caches of batch 1 run after the repair."""

import numpy as np
import pytest

from pipeline.fusion.rotary_repair.find import find_rotary_repairs
from pipeline.fusion.rotary_repair.lower import RepairRotaryBatch
from tests.pipeline.text_graphs import (
    assert_becomes,
    feeds_of,
    model_of,
    numbers_of,
    rewritten,
)


def graph(batch, body, cache="1,S,4", ids=""):
    more = f", int64[{ids}] p" if ids else ""
    return f"""(float[{batch},2,S,8] x, float[{cache}] c, float[{cache}] s{more})
        => (float[{batch},2,S,8] y) {{ {body} }}"""


FULL = """one = Constant<value_ints={ones}>() rows = Shape<start=0, end=1>(x)
    to = Concat<axis=0>(rows, one) """


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (graph("B", "y = RotaryEmbedding(x, c, s)"),
         graph("B", FULL.format(ones="[1, 1]")
               + "cc = Expand(c, to) ss = Expand(s, to) y = RotaryEmbedding(x, cc, ss)")),
        (graph("2", "y = RotaryEmbedding<interleaved=1>(x, c, s)"),
         graph("2", "to = Constant<value_ints=[2, 1, 1]>() cc = Expand(c, to) ss = Expand(s, to)"
               " y = RotaryEmbedding<interleaved=1>(x, cc, ss)")),
        (graph("B", "y = RotaryEmbedding(x, c, s, p)", "M,4", "1,S"),
         graph("B", FULL.format(ones="[1]")
               + "pp = Expand(p, to) y = RotaryEmbedding(x, c, s, pp)", "M,4", "1,S")),
    ],
    ids=["caches", "static batch", "positions"],
)  # fmt: skip
def test_before_and_after(before, after):
    assert_becomes(before, after, find_rotary_repairs, RepairRotaryBatch())


def test_the_repaired_operator_runs_and_is_right():
    text = graph("B", "y = RotaryEmbedding(x, c, s)")
    feeds = feeds_of(model_of(text))
    with pytest.raises(Exception, match="cos_cache"):
        numbers_of(model_of(text), feeds)
    (got,) = numbers_of(rewritten(text, find_rotary_repairs, RepairRotaryBatch()), feeds)
    lo, hi = feeds["x"][..., :4], feeds["x"][..., 4:]
    cos, sin = feeds["c"][:, None], feeds["s"][:, None]
    want = np.concatenate([lo * cos - hi * sin, hi * cos + lo * sin], axis=-1)
    np.testing.assert_allclose(got, want, atol=1e-6)  # two products and a sum, float32
