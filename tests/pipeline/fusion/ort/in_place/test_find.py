"""Attention over keys and values just written into a cache, found with its roles."""

import pytest

from pipeline.fusion.ort.in_place.find import find_attention_in_place
from pipeline.graph.inference.facts import Facts
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of


def found_in(text):
    model = model_of(text, graphs.OPSET)
    return list(find_attention_in_place(model.graph, Facts(model)))


def test_its_roles():
    (site,) = found_in(graphs.in_place())
    assert (site.heads, site.kv_heads, site.size) == (4, 2, 16)
    names = [x.name for x in (site.past_key, site.past_value, site.written, site.mask)]
    assert names == ["pk", "pv", "at", "mask"]
    assert [view.base.name for view in (site.inner.q, site.key, site.value)] == ["q", "k", "v"]
    assert [value.name for value in site.outputs] == ["y", "nk", "nv"]
    assert site.form == "4/2 heads, size 16, written in place"


def test_a_second_reader_of_the_cache_is_no_obstacle():
    core = f"{graphs.CORE} more = Neg(nk)"
    assert len(found_in(graphs.in_place(core=core, outputs=", float[B,2,12,16] more"))) == 1


CORE = graphs.CORE
OTHER = {
    "a ring": {"core": CORE.replace("<axis=-2>(pk", '<axis=-2, mode="circular">(pk')},
    "another axis": {"core": CORE.replace("<axis=-2>(pk", "<axis=1>(pk")},
    "no place given": {"core": CORE.replace("(pk, kh, at)", "(pk, kh)")},
    "two places": {
        "inputs": ", int64[B] there", "core": CORE.replace("pv, vh, at", "pv, vh, there")
    },
    "a cache made by the graph": {
        "core": "other = Neg(pk) " + CORE.replace("(pk, kh", "(other, kh")
    },
    "a cache not given back": {
        "core": CORE.replace("nk =", "inner =").replace("qh, nk", "qh, inner") + " nk = Neg(inner)"
    },
    "causal as well": {"core": CORE.replace("scale=0.25", "scale=0.25, is_causal=1")},
    "soft-capped": {"core": CORE.replace("scale=0.25", "scale=0.25, softcap=5.0")},
    "no mask": {"core": CORE.replace(", mask)", ")")},
    "a float mask": {
        "inputs": ", float[B,1,S,12] given", "core": CORE.replace(", mask)", ", given)")
    },
    "a mask that shows what comes later": {
        "mask": graphs.VISIBLE.replace("(place, last)", "(last, place)")
    },
}  # fmt: skip


@pytest.mark.parametrize("parts", OTHER.values(), ids=OTHER)
def test_everything_else_is_not(parts):
    assert found_in(graphs.in_place(**parts)) == []
