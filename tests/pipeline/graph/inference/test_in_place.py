"""Only caches of fixed size, in and out of the graph, share a buffer."""

import pytest

from pipeline.graph.inference.in_place import in_place_pairs, writes_in_place
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of


def pairs_of(text):
    return in_place_pairs(model_of(text, graphs.OPSET).graph)


def test_past_and_present_are_a_pair():
    assert pairs_of(graphs.fused()) == {"nk": "pk", "nv": "pv"}


@pytest.mark.parametrize("text", [
    graphs.fused().replace(", , , , , new32", ""),
    graphs.in_place(),
], ids=["a cache that grows", "other operators"])  # fmt: skip
def test_what_does_not_write_in_place_has_none(text):
    assert pairs_of(text) == {}
    assert not any(map(writes_in_place, model_of(text, graphs.OPSET).graph))


def test_a_cache_that_is_no_input_or_no_output_has_none():
    inner = graphs.fused(before="other = Neg(pk)").replace("v, pk, pv", "v, other, pv")
    assert pairs_of(inner) == {"nv": "pv"}
    ended = graphs.fused().replace("y, nk, nv =", "y, inner, nv =").replace("})", "}) nk")
    ended = ended.removesuffix("}") + " nk = Neg(inner) }"
    assert pairs_of(ended) == {"nv": "pv"}
