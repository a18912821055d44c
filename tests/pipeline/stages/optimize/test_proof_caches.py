"""Proofs write new tokens anywhere in a cache where there is room for them."""

import numpy as np
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.regions import cut
from pipeline.stages.optimize.proof_caches import room_in_cache
from pipeline.stages.optimize.proof_inputs import feeds_for
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of


def region_of(text):
    model = model_of(text, graphs.OPSET)
    outputs, nodes = list(model.graph.outputs), list(model.graph)
    return cut(outputs, outputs, nodes, model.graph.inputs, Facts(model),
               {"": graphs.OPSET, "com.microsoft": 1})  # fmt: skip


def rooms(region, sizes):
    found = {}
    for index, value in enumerate(region.inputs):
        found[value.name] = room_in_cache(region, index, sizes)
    return found


def sizes_of(region, rows):
    return {n: rows for shape in region.shapes for dim in shape for n in dim.symbols}


@pytest.mark.parametrize(
    ("text", "room"), [(graphs.fused(), 7), (graphs.in_place(), 6)], ids=["fused", "written out"]
)
def test_there_is_room_in_front_of_the_end(text, room):
    region = region_of(text)
    found = rooms(region, sizes_of(region, 5))
    # behind a change of layout the number of rows is not known: half of the cache is left free
    assert found.pop("at") == room
    assert set(found.values()) == {None}


def test_places_differ_and_fit():
    region = region_of(graphs.fused())
    feeds = feeds_for(region, sizes_of(region, 5), "plain", 0)
    index = [value.name for value in region.inputs].index("at")
    at = feeds[f"i{index}"]
    assert at.dtype == np.int64
    assert 0 <= at.min() < at.max() <= 7


def test_a_full_cache_has_its_only_room_at_the_start():
    region = region_of(graphs.fused())
    assert rooms(region, sizes_of(region, 12))["at"] == 0
