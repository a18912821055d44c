"""Planning: the answer run_stage would give, with nothing touched."""

from __future__ import annotations

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.artifacts.plan import WouldMake, planning
from tests.pipeline.artifacts.notes import Note


def produce(context):
    context.path("onnx/model.onnx").write_text("graph")
    return Note()


def call(path, **recipe):
    return run_stage(open_folder(path, create=True), "export", recipe, {}, produce, Note)


def test_what_is_not_there_would_be_made(tmp_path):
    with planning(), pytest.raises(WouldMake, match="export: not made yet"):
        call(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_is_current_is_returned(tmp_path):
    made = call(tmp_path / "out", opset=23)
    with planning():
        found = call(tmp_path / "out", opset=23)
    assert found.reused
    assert found.digest == made.digest


def test_what_changed_is_named_and_left_as_it_is(tmp_path):
    made = call(tmp_path / "out", opset=23)
    with planning(), pytest.raises(WouldMake) as caught:
        call(tmp_path / "out", opset=22)
    assert caught.value.reasons == ["option opset changed: 23 -> 22"]
    assert open_folder(tmp_path / "out").stage("export").key == made.key


def test_damage_is_named_and_not_repaired(tmp_path):
    made = call(tmp_path / "out")
    made.path("onnx/model.onnx").unlink()
    with planning(), pytest.raises(WouldMake, match="is missing"):
        call(tmp_path / "out")
    assert not made.path("onnx/model.onnx").exists()


def test_planning_ends_with_its_block(tmp_path):
    with planning():
        pass
    assert not call(tmp_path / "out").reused
