"""run_stage: reuse, every ingredient both ways, failures that leave nothing."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.artifacts.artifact import contents_digest
from pipeline.errors import FolderError
from pipeline.records.record import Record

RECIPE = {"opset": 23, "shapes": {"batch": [1, 2, 16]}}


def refer(name):
    """Return a reference to a data file as it stands in a graph."""
    return b"\x0a\x08location\x12" + bytes([len(name)]) + name.encode() if name else b""


@dataclass(frozen=True, kw_only=True)
class Told(Record):
    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "export"

    n: int = 1
    facts: dict[str, int]


class Stage:
    """Counts how often it really works."""

    def __init__(self, text="hello", facts=None, weights=None, file="model", refers=None):
        self.text, self.facts, self.weights, self.calls = text, facts or {}, weights, 0
        self.file, self.refers = f"onnx/{file}.onnx", refers or weights

    def __call__(self, context):
        self.calls += 1
        if self.weights:
            temp = context.path("onnx/raw.data")
            temp.write_bytes(b"w" * 32)
            context.place(temp, f"onnx/{self.weights}")
        context.path(self.file).write_bytes(self.text.encode() + refer(self.refers))
        context.log("worked")
        return Told(facts=self.facts)


def make(path, stage, *, name="export", recipe=RECIPE, parents=None):
    return run_stage(open_folder(path, create=True), name, recipe, parents or {}, stage, Told)


def test_a_second_identical_call_reuses_and_says_so(tmp_path, caplog):
    stage = Stage()
    first = make(tmp_path / "out", stage)
    with caplog.at_level(logging.INFO, "pipeline"):
        second = make(tmp_path / "out", stage)
    assert stage.calls == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.digest == first.digest
    assert second.facts == {"format": 2, "facts": {}}
    assert Told.of(second) == Told(facts={})
    assert second.log == ("worked",)
    assert "export: reused" in caplog.text


def test_the_record_says_what_it_took(tmp_path):
    made = make(tmp_path / "out", Stage())
    assert made.path("onnx/model.onnx").read_text() == "hello"
    assert len(made.key) == len(made.digest) == len(made.files[0].sha256) == 64
    assert made.files[0].bytes == 5
    assert made.seconds >= 0
    assert made.peak_rss_bytes > 1_000_000
    assert "python" in made.versions


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"opset": 22}, "option opset changed: 23 -> 22", id="option"),
        pytest.param({"shapes": {"batch": [1, 2, 8]}}, "option shapes.batch changed", id="nested"),
        pytest.param({"extra": None}, "option extra is new: null", id="new-option"),
        pytest.param({"long": "x" * 500}, "option long is new", id="long-value"),
    ],
)
def test_an_option_that_changes_redoes_the_stage_and_is_named(tmp_path, caplog, change, says):
    stage = Stage()
    make(tmp_path / "out", stage)
    with caplog.at_level(logging.INFO, "pipeline"):
        again = make(tmp_path / "out", stage, recipe={**RECIPE, **change})
    assert stage.calls == 2
    assert not again.reused
    assert says in caplog.text


def test_an_option_that_goes_away_redoes_the_stage(tmp_path, caplog):
    stage = Stage()
    make(tmp_path / "out", stage)
    with caplog.at_level(logging.INFO, "pipeline"):
        make(tmp_path / "out", stage, recipe={"opset": 23})
    assert stage.calls == 2
    assert "option shapes.batch is gone" in caplog.text


def test_the_order_of_options_does_not_matter(tmp_path):
    stage = Stage()
    make(tmp_path / "out", stage)
    make(tmp_path / "out", stage, recipe=dict(reversed(RECIPE.items())))
    assert stage.calls == 1


def test_a_parent_with_other_contents_redoes_the_child(tmp_path, caplog):
    child = Stage("child", file="better")
    first = make(tmp_path / "out", Stage("a"))
    make(tmp_path / "out", child, name="optimize", parents={"export": first})
    second = make(tmp_path / "out", Stage("b"), recipe={**RECIPE, "opset": 20})
    with caplog.at_level(logging.INFO, "pipeline"):
        make(tmp_path / "out", child, name="optimize", parents={"export": second})
    assert child.calls == 2
    assert "parent export changed" in caplog.text


def test_a_parent_made_again_with_equal_contents_leaves_the_child(tmp_path):
    child = Stage("child", file="better")
    first = make(tmp_path / "out", Stage("a"))
    make(tmp_path / "out", child, name="optimize", parents={"export": first})
    second = make(tmp_path / "out", Stage("a"), recipe={**RECIPE, "opset": 20})
    make(tmp_path / "out", child, name="optimize", parents={"export": second})
    assert second.key != first.key
    assert second.digest == first.digest
    assert child.calls == 1


def test_facts_are_part_of_the_contents(tmp_path):
    first = make(tmp_path / "out", Stage(facts={"n": 1}))
    second = make(tmp_path / "out", Stage(facts={"n": 2}), recipe={})
    assert first.digest != second.digest


def test_a_library_version_redoes_the_stage(tmp_path, monkeypatch, caplog):
    stage = Stage()
    monkeypatch.setattr(
        "pipeline.artifacts.ingredients.code_ingredients", lambda module: {"library torch": "2.12"}
    )
    make(tmp_path / "out", stage)
    monkeypatch.setattr(
        "pipeline.artifacts.ingredients.code_ingredients", lambda module: {"library torch": "2.13"}
    )
    with caplog.at_level(logging.INFO, "pipeline"):
        make(tmp_path / "out", stage)
    assert stage.calls == 2
    assert "library torch changed: 2.12 -> 2.13" in caplog.text


@pytest.mark.parametrize("damage", ["missing", "longer", "same-size"])
def test_a_damaged_file_redoes_the_stage(tmp_path, caplog, damage):
    stage = Stage()
    made = make(tmp_path / "out", stage)
    file = made.path("onnx/model.onnx")
    if damage == "missing":
        file.unlink()
    else:
        file.write_text("hello!" if damage == "longer" else "hollo")
    again = make(tmp_path / "out", stage)
    assert stage.calls == 2
    assert again.digest == made.digest
    assert file.read_text() == "hello"
    assert "onnx/model.onnx" in caplog.text


def test_damaged_weights_come_anew(tmp_path):
    stage = Stage(weights="weights-0123456789abcdef.data")
    made = make(tmp_path / "out", stage)
    file = made.path("onnx/weights-0123456789abcdef.data")
    file.write_bytes(b"x" * 32)
    make(tmp_path / "out", stage)
    assert file.read_bytes() == b"w" * 32


def test_a_damaged_manifest_redoes_the_stage(tmp_path, caplog):
    stage = Stage()
    make(tmp_path / "out", stage)
    manifest = tmp_path / "out/manifest/export.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    make(tmp_path / "out", stage)
    assert stage.calls == 2
    assert "damaged" in caplog.text


def test_verify_reads_the_bytes_again(tmp_path):
    stage = Stage()
    made = make(tmp_path / "out", stage)
    file = made.path("onnx/model.onnx")
    stat = file.stat()
    with file.open("r+b") as handle:
        handle.write(b"H")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    stats = tmp_path / "out/manifest/.stats.json"
    told = json.loads(stats.read_text())
    told["onnx/model.onnx"][3] = file.stat().st_ctime_ns
    stats.write_text(json.dumps(told))
    make(tmp_path / "out", stage)
    assert stage.calls == 1  # size, times and inode are those that were written down
    open_folder(tmp_path / "out").distrust()
    make(tmp_path / "out", stage)
    assert stage.calls == 2


def test_an_edit_that_sets_the_modification_time_back_is_seen(tmp_path):
    stage = Stage()
    file = make(tmp_path / "out", stage).path("onnx/model.onnx")
    stat = file.stat()
    with file.open("r+b") as handle:
        handle.write(b"H")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    make(tmp_path / "out", stage)
    assert stage.calls == 2


def test_a_copied_folder_is_still_current(tmp_path):
    stage = Stage()
    make(tmp_path / "out", stage)
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    assert make(tmp_path / "copy", stage).reused
    everything = b"".join(f.read_bytes() for f in (tmp_path / "out").rglob("*") if f.is_file())
    assert str(tmp_path).encode() not in everything


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()], ids=["bug", "ctrl-c"])
def test_a_failure_leaves_no_folder(tmp_path, error):
    def produce(context):
        context.path("onnx/model.onnx").write_text("half")
        raise error

    with pytest.raises(type(error)):
        make(tmp_path / "deep/out", produce)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_what_was_there(tmp_path):
    made = make(tmp_path / "out", Stage())

    def produce(context):
        context.path("onnx/other.onnx").write_text("half")
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError):
        make(tmp_path / "out", produce, recipe={})
    assert open_folder(tmp_path / "out").stage("export").digest == made.digest
    assert [f.name for f in (tmp_path / "out/onnx").iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/elsewhere/x"),
        RuntimeError("writer failed: No space left on device (os error 28)"),
    ],
    ids=["os", "library"],
)
def test_a_full_disk_is_a_folder_error(tmp_path, error):
    def produce(context):
        raise error

    with pytest.raises(FolderError, match="No space left"):
        make(tmp_path / "out", produce)
    assert not (tmp_path / "out").exists()


def test_an_error_about_an_input_is_not_blamed_on_the_folder(tmp_path):
    def produce(context):
        raise FileNotFoundError(errno.ENOENT, "No such file", "/elsewhere/x")

    with pytest.raises(FileNotFoundError):
        make(tmp_path / "out", produce)


def test_files_of_the_old_artifact_go_when_the_new_one_has_others(tmp_path):
    make(tmp_path / "out", Stage(weights="weights-aaaaaaaa.data"))

    def produce(context):
        context.path("onnx/encoder.onnx").write_text("e")
        tokenizer = context.path("tokenizer")
        tokenizer.mkdir()
        (tokenizer / "vocab.txt").write_text("v")
        return Told(facts={})

    made = make(tmp_path / "out", produce, recipe={})
    assert {record.path for record in made.files} == {"onnx/encoder.onnx", "tokenizer/vocab.txt"}
    assert [file.name for file in (tmp_path / "out/onnx").iterdir()] == ["encoder.onnx"]


def test_weights_that_a_child_refers_to_stay(tmp_path):
    weights = "weights-aaaaaaaa.data"
    first = make(tmp_path / "out", Stage(weights=weights))
    child = make(
        tmp_path / "out",
        Stage(refers=weights, file="better"),
        name="optimize",
        parents={"export": first},
    )
    assert [record.shared for record in child.files if record.path.endswith(weights)] == [True]
    make(tmp_path / "out", Stage("no weights"), recipe={})
    assert child.path(f"onnx/{weights}").exists()


def test_a_graph_without_its_weights_is_refused(tmp_path):
    with pytest.raises(FolderError, match=r"weights-bbbbbbbb\.data"):
        make(tmp_path / "out", Stage(refers="weights-bbbbbbbb.data"))


def test_a_parent_changed_by_another_run_is_refused(tmp_path):
    stale = make(tmp_path / "out", Stage("a"))
    make(tmp_path / "out", Stage("b"), recipe={})
    with pytest.raises(FolderError, match="another process"):
        make(tmp_path / "out", Stage(file="c"), name="optimize", parents={"export": stale})


def test_two_stages_cannot_own_one_file(tmp_path):
    make(tmp_path / "out", Stage())
    with pytest.raises(AssertionError, match=r"onnx/model\.onnx"):
        make(tmp_path / "out", Stage(), name="optimize")


@pytest.mark.parametrize("name", ["/etc/x", "../x", ""])
def test_a_stage_cannot_write_outside_the_folder(tmp_path, name):
    def produce(context):
        context.path(name)

    with pytest.raises(ValueError, match="inside the output folder"):
        make(tmp_path / "out", produce)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 1}, "has format 1, this version reads 2"),
        ({"format": 3}, "has format 3, this version reads 2"),
        ({"facts": {"a": "1"}}, "Expected `int`, got `str`"),
        ({"facts": None}, "damaged: Expected `object`, got `null`"),
        ({"more": 1}, "unknown field"),
    ],
    ids=["older", "newer", "text for a number", "wrong type", "unknown key"],
)
def test_facts_that_are_no_record_of_this_version_are_made_again(tmp_path, caplog, change, says):
    stage = Stage(facts={"a": 1})
    first = make(tmp_path / "out", stage)
    manifest = tmp_path / "out/manifest/export.json"
    facts = {**first.facts, **change}  # as that version wrote them, with their digest
    older = replace(first, facts=facts, digest=contents_digest(first.files, facts))
    manifest.write_bytes(older.to_manifest())
    with pytest.raises(FolderError, match=re.escape(says)) as caught:
        Told.of(open_folder(tmp_path / "out").stage("export"))
    assert caught.value.exit_code == 2
    assert "pipeline run" in caught.value.fix
    with caplog.at_level(logging.WARNING, "pipeline"):
        again = make(tmp_path / "out", stage)
    assert stage.calls == 2
    assert says in caplog.text
    assert again.facts == first.facts
    assert make(tmp_path / "out", stage).reused
