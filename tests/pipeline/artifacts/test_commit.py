"""A commit interrupted before any of its steps: the next run completes and nothing is half-made."""

from __future__ import annotations

import contextlib
import pathlib

import pytest

from pipeline.artifacts import commit as commit_module
from pipeline.artifacts import open_folder, run_stage
from tests.pipeline.artifacts.notes import Note

OLD, NEW = {"v": "old"}, {"v": "new"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it and tidy up."""


def produce(files):
    def stage(context):
        for name, text in files.items():
            context.path(name).write_text(text)
        return Note(text=" ".join(sorted(files)))

    return stage


def snapshot(root):
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def run(root, recipe, files):
    return run_stage(open_folder(root, create=True), "export", recipe, {}, produce(files), Note)


OLD_FILES = {"onnx/a.onnx": "old a", "onnx/b.onnx": "old b"}
NEW_FILES = {"onnx/a.onnx": "new a", "onnx/c.onnx": "new c", "tokenizer/t.json": "{}"}


def kill_at(monkeypatch, step):
    """Let the first `step` changes to the file system pass, then raise at every further one."""
    count = {"left": step}

    def limited(real):
        def call(self, *args, **kwargs):
            if count["left"] <= 0:
                raise Killed
            count["left"] -= 1
            return real(self, *args, **kwargs)

        return call

    for name in ("replace", "unlink"):
        monkeypatch.setattr(pathlib.Path, name, limited(getattr(pathlib.Path, name)))
    # A killed process runs no clean-up either.
    monkeypatch.setattr("pipeline.artifacts.stage.sweep", lambda folder: None)
    monkeypatch.setattr("pipeline.artifacts.context.StageContext.discard", lambda self: None)
    monkeypatch.setattr("pipeline.artifacts.folder.Folder._withdraw", lambda *args: None)


@pytest.mark.parametrize("step", range(16))
@pytest.mark.parametrize("before", [True, False], ids=["over-an-old-one", "first"])
def test_killed_at_any_step(tmp_path, step, before):
    root = tmp_path / "out"
    if before:
        run(root, OLD, OLD_FILES)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, step)
        with contextlib.suppress(Killed):
            run(root, NEW, NEW_FILES)
    left = open_folder(root, create=True)
    found = left.stage("export")
    if found is not None:
        assert left.damage(found) == "", "a manifest stands beside files it does not describe"
    made = run(root, NEW, NEW_FILES)
    assert left.damage(made) == ""
    clean = tmp_path / "clean"
    run(clean, NEW, NEW_FILES)
    got, want = snapshot(root), snapshot(clean)
    assert got.keys() == want.keys(), "leftovers"
    assert all(got[name] == want[name] for name in NEW_FILES)
    assert not list(root.rglob(".tmp-*"))
    assert not list(root.rglob(".journal-*"))


def test_sweep_leaves_what_is_not_ours(tmp_path):
    root = tmp_path / "out"
    run(root, OLD, OLD_FILES)
    (root / "onnx/mine.bin").write_text("x")
    (root / "onnx/weights-mine.data").write_text("x")
    (root / "onnx/weights-00000000.data").write_text("orphan")
    (root / "onnx/.tmp-1-abc-model.onnx").write_text("half")
    (root / "onnx/..tmp-1-abc-model.onnx.xyz").write_text("half, by the writer of graphs")
    (root / "onnx/.weights-x1y2").write_text("half")
    (root / ".tmp-1-abc-tokenizer").mkdir()
    commit_module.sweep(open_folder(root))
    left = {item.name for item in (root / "onnx").iterdir()}
    assert left == {"a.onnx", "b.onnx", "mine.bin", "weights-mine.data"}
    assert not (root / ".tmp-1-abc-tokenizer").exists()


def test_a_journal_cannot_reach_outside(tmp_path):
    root = tmp_path / "out"
    run(root, OLD, OLD_FILES)
    victim = tmp_path / "victim"
    victim.write_text("x")
    (root / "manifest/.journal-x.json").write_text(f'["../victim", "{victim}", "onnx/a.onnx"]')
    commit_module.sweep(open_folder(root))
    assert victim.exists()
    assert (root / "onnx/a.onnx").exists()
