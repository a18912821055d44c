"""Temporary names, content-named weights, and the references read off a graph."""

from __future__ import annotations

import pytest

from pipeline.artifacts import open_folder
from pipeline.artifacts.context import StageContext


@pytest.fixture
def context(tmp_path):
    return StageContext(open_folder(tmp_path, create=True), "export", {})


def test_a_temporary_file_lies_beside_its_final_place(context, tmp_path):
    temp = context.path("onnx/model.onnx")
    assert temp.parent == tmp_path / "onnx"
    assert temp.name.startswith(".tmp-")
    assert temp.suffix == ".onnx"


def test_what_was_not_written_is_not_listed(context):
    context.path("onnx/a.onnx")
    context.path("onnx/b.onnx").write_text("b")
    assert list(context.written()) == ["onnx/b.onnx"]


def test_a_folder_is_taken_apart(context):
    folder = context.path("tokenizer")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/x.json").write_text("{}")
    assert list(context.written()) == ["tokenizer/deep/x.json"]


def test_placed_weights_are_never_rewritten(context, tmp_path):
    name = "onnx/weights-0123456789abcdef.data"
    for _ in range(2):
        temp = context.path("onnx/w.tmp")
        temp.write_bytes(b"same")
        final = context.place(temp, name)
    inode = final.stat().st_ino
    temp = context.path("onnx/w.tmp")
    temp.write_bytes(b"same")
    assert context.place(temp, name).stat().st_ino == inode
    assert [item.name for item in (tmp_path / "onnx").iterdir()] == [final.name]


def test_only_content_named_files_are_placed(context):
    temp = context.path("onnx/w.tmp")
    temp.write_bytes(b"x")
    with pytest.raises(ValueError, match="weights-<digest>"):
        context.place(temp, "onnx/model.onnx")


def test_discard_removes_files_and_folders(context, tmp_path):
    context.path("onnx/a.onnx").write_text("a")
    context.path("tokenizer").mkdir()
    context.discard()
    assert [item.name for item in tmp_path.rglob("*")] == ["onnx"]
