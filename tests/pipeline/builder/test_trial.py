"""A trial says what build-engine would: built, or the reason with its node; nothing stays."""

import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.trial import Builder
from pipeline.records.tensors import SizeRange
from tests.pipeline.builder import small

pytest.importorskip("tensorrt_rtx")


@pytest.fixture
def builder():
    return Builder("tensorrt-rtx")


def test_a_graph_that_builds_leaves_nothing_behind(builder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    trial = builder.ask(ir.load(small.matmul(tmp_path / "m.onnx")))
    assert trial.built
    assert trial.seconds > 0
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_the_preflight_finds_is_the_reason(builder, tmp_path):
    node = h.make_node("NonZero", ["x"], ["y"], name="where")
    path = small.save(tmp_path / "m.onnx", [node], {"x": (T.FLOAT, [2, 3])}, {"y": T.INT64})
    trial = builder.ask(ir.load(path))
    assert not trial.built
    assert trial.reason == "the parser has no operator NonZero (where)"


def test_what_the_parser_refuses_is_told_with_its_node(builder, tmp_path):
    node = h.make_node("Strange", ["x"], ["y"], name="odd", domain="some.where")
    path = small.save(
        tmp_path / "m.onnx", [node], {"x": (T.FLOAT, [2])}, {"y": T.FLOAT}, domains=["some.where"]
    )
    reason = builder.ask(ir.load(path)).reason
    assert "TensorRT has no such operator" in reason
    assert "(odd (Strange))" in reason


def test_sizes_that_are_known_are_the_ones_tried(builder, tmp_path):
    """A filter of 400 samples: too long for the lengths that are taken when nothing is known."""
    node = h.make_node("Conv", ["x", "w"], ["y"], name="conv")
    weights = [small.weight("w", (4, 1, 400))]
    inputs = {"x": (T.FLOAT, [1, 1, "samples"])}
    model = ir.load(small.save(tmp_path / "m.onnx", [node], inputs, {"y": T.FLOAT}, weights))
    assert "sizes of profile 0 do not suit the graph" in builder.ask(model).reason
    known = {"samples": SizeRange(400, 800, 1600)}
    assert Builder("tensorrt-rtx", known).ask(model).built


def test_one_that_takes_too_long_did_not_build(tmp_path):
    builder = Builder("tensorrt-rtx", timeout_s=0.01)
    assert "was stopped" in builder.ask(ir.load(small.matmul(tmp_path / "m.onnx"))).reason


def test_the_name_says_which_builder_and_for_what(builder):
    assert builder.name.startswith("tensorrt-rtx 1.")
    assert builder.name.endswith(", 8.9")
