"""Only rotary operators that would not run are sites."""

import pytest

from pipeline.fusion.rotary_repair.find import find_rotary_repairs
from tests.pipeline.text_graphs import found_in, only_site


def graph(batch, cache, ids=""):
    more, use = (f", int64[{ids}] p", ", p") if ids else ("", "")
    return f"""(float[{batch},2,S,8] x, float[{cache}] c, float[{cache}] s{more})
        => (float[{batch},2,S,8] y) {{ y = RotaryEmbedding(x, c, s{use}) }}"""


@pytest.mark.parametrize(
    ("cache", "ids", "narrow"),
    [("1,S,4", "", (1, 2)), ("M,4", "1,S", (3,))],
    ids=["caches", "positions"],
)
def test_batch_1(cache, ids, narrow):
    site = only_site(graph("B", cache, ids), find_rotary_repairs)
    assert site.narrow == narrow
    assert "batch 1" in site.form


@pytest.mark.parametrize(
    ("batch", "cache", "ids"),
    [("B", "B,S,4", ""), ("B", "M,4", "B,S"), ("1", "1,S,4", "")],
    ids=["full caches", "full positions", "batch 1 throughout"],
)
def test_nothing_to_repair(batch, cache, ids):
    assert found_in(graph(batch, cache, ids), find_rotary_repairs) == []
