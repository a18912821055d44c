"""Ranges of dims that the graph ties together."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.relations import consistent
from pipeline.records.tensors import SizeRange
from tests.pipeline.builder import small
from tests.pipeline.stages.build_engine.test_stage import kv

GUESSED = {
    "b": SizeRange(1, 1, 2),
    "seq": SizeRange(1, 1, 4),
    "past": SizeRange(0, 8, 16),
    "total": SizeRange(1, 64, 128),
}


@pytest.fixture
def model(tmp_path):
    return ir.load(kv(tmp_path / "m.onnx"))


def test_the_total_follows_from_past_and_new_at_every_end(model):
    made = consistent(model, GUESSED, ())
    assert made["total"] == SizeRange(1, 9, 20)
    assert {name: made[name] for name in ("b", "seq", "past")} == {
        name: GUESSED[name] for name in ("b", "seq", "past")
    }


def test_what_was_asked_for_is_kept_even_against_the_graph(model):
    assert consistent(model, GUESSED, {"total"}) == GUESSED


def test_a_name_the_graph_does_not_have_keeps_its_range(model):
    other = GUESSED | {"elsewhere": SizeRange(1, 2, 3)}
    assert consistent(model, other, ())["elsewhere"] == SizeRange(1, 2, 3)


def test_nothing_is_tied_in_a_graph_without_relations(tmp_path):
    node = h.make_node("Relu", ["x"], ["y"])
    path = small.save(tmp_path / "m.onnx", [node], {"x": (T.FLOAT, ("a", "b"))}, {"y": T.FLOAT})
    ranges = {"a": SizeRange(1, 2, 3), "b": SizeRange(4, 5, 6)}
    assert consistent(ir.load(path), ranges, ()) == ranges


def test_sizes_that_no_graph_can_have_are_left_alone(tmp_path):
    """What contradicts itself is for the builder to refuse."""
    node = h.make_node("Add", ["x", "y"], ["z"])
    feeds = {"x": (T.FLOAT, ("n", 3)), "y": (T.FLOAT, ("n", 4))}
    path = small.save(tmp_path / "m.onnx", [node], feeds, {"z": T.FLOAT})
    assert consistent(ir.load(path), {"n": SizeRange(1, 2, 3)}, ()) == {"n": SizeRange(1, 2, 3)}
