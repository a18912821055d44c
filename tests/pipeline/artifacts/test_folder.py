"""Claiming, refusing and reading output folders."""

from __future__ import annotations

import json
import os
import resource
import signal

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError
from tests.pipeline.artifacts.notes import Note


def write_one(context):
    context.path("onnx/model.onnx").write_text("graph")
    return Note()


def make(path):
    return run_stage(open_folder(path, create=True), "export", {}, {}, write_one, Note)


def test_an_empty_folder_is_taken(tmp_path):
    make(tmp_path)
    assert open_folder(tmp_path).stages() == ("export",)


def test_opening_writes_nothing(tmp_path):
    open_folder(tmp_path / "out", create=True)
    assert list(tmp_path.iterdir()) == []


def test_foreign_content_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    (tmp_path / "manifest").mkdir()
    with pytest.raises(FolderError, match=r"holds something else: thesis\.tex") as caught:
        open_folder(tmp_path, create=True)
    assert "left as it is" in caught.value.fix
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_reader_given_a_checkpoint_or_a_file_is_told_what_makes_an_artifact(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FolderError, match=r"no artifact of `pipeline`, but config\.json") as caught:
        open_folder(tmp_path)
    assert caught.value.fix == "make one with `pipeline run MODEL -o DIR`, and name that DIR"
    with pytest.raises(FolderError, match="a file, not a folder") as caught:
        open_folder(tmp_path / "config.json")
    assert caught.value.fix == "make one with `pipeline run MODEL -o DIR`, and name that DIR"


def test_foreign_content_that_appears_before_the_first_stage_is_refused(tmp_path):
    folder = open_folder(tmp_path / "out", create=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    with pytest.raises(FolderError, match="something else"):
        run_stage(folder, "export", {}, {}, write_one, Note)


def test_a_manifest_folder_of_someone_else_is_not_taken_for_ours(tmp_path):
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest/folder.json").write_text(json.dumps({"kind": "other"}))
    (tmp_path / "manifest/data.bin").write_text("x")
    with pytest.raises(FolderError, match="something else: manifest"):
        open_folder(tmp_path, create=True)


def test_a_newer_format_is_refused(tmp_path):
    make(tmp_path / "out")
    marker = tmp_path / "out/manifest/folder.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))
    with pytest.raises(FolderError, match="format 99"):
        open_folder(tmp_path / "out")


def test_notes_a_user_puts_beside_our_files_stay(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    make(tmp_path / "out")
    assert (tmp_path / "out/notes.txt").read_text() == "mine"


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(FolderError, match="is a file"):
        open_folder(tmp_path / "out", create=True)


@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_a_reader_needs_artifacts(tmp_path, exists):
    if exists:
        (tmp_path / "out").mkdir()
    with pytest.raises(FolderError, match=r"empty|does not exist") as caught:
        open_folder(tmp_path / "out")
    assert "pipeline run" in caught.value.fix


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderError, match="Not a directory"):
        make(tmp_path / "file/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(FolderError, match="Permission denied"):
        make(tmp_path / "out")


def test_a_file_too_big_for_the_disk_leaves_nothing(tmp_path):
    """RLIMIT_FSIZE stands in for a full disk: both end a write half way with an OSError."""

    def produce(context):
        with context.path("onnx/model.onnx").open("wb") as handle:
            handle.write(b"x" * 10_000)
            handle.flush()
            handle.write(b"x" * 1_000_000)

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, old[1]))
    try:
        with pytest.raises(FolderError, match="File too large"):
            run_stage(open_folder(tmp_path / "out", create=True), "export", {}, {}, produce, Note)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, before)
    assert not (tmp_path / "out").exists()


def test_require_names_what_is_there_and_what_to_run(tmp_path):
    make(tmp_path / "out")
    with pytest.raises(FolderError, match="no perf artifact here; there is export") as caught:
        open_folder(tmp_path / "out").require("perf", "run `pipeline perf`")
    assert caught.value.fix == "run `pipeline perf`"


def test_require_refuses_damaged_files(tmp_path):
    made = make(tmp_path / "out")
    made.path("onnx/model.onnx").write_text("grape")
    with pytest.raises(FolderError, match="other bytes than export wrote"):
        open_folder(tmp_path / "out").require("export", "again")


def test_a_manifest_that_points_outside_is_damaged(tmp_path):
    make(tmp_path / "out")
    manifest = tmp_path / "out/manifest/export.json"
    manifest.write_text(manifest.read_text().replace("onnx/model.onnx", "../../etc/passwd"))
    with pytest.raises(FolderError, match=r"damaged.*files\[0\]\.path"):
        open_folder(tmp_path / "out").stage("export")


def test_write_replaces_in_one_step(tmp_path):
    folder = open_folder(make(tmp_path / "out").folder)
    folder.write("report.html", b"old")
    assert folder.write("report.html", b"new").read_bytes() == b"new"
    assert sorted(item.name for item in folder.path.iterdir()) == [
        "manifest",
        "onnx",
        "report.html",
    ]
