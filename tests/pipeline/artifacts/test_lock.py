"""One worker at a time in a folder, and no lock outlives its holder."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.artifacts.lock import locked, try_locked
from tests.pipeline.artifacts.notes import Note


def test_a_second_worker_waits_says_for_whom_and_then_reuses(tmp_path, caplog):
    calls = []

    def produce(context):
        calls.append(1)
        time.sleep(0.4)
        context.path("onnx/model.onnx").write_text("graph")
        return Note()

    def work():
        run_stage(open_folder(tmp_path / "out", create=True), "export", {}, {}, produce, Note)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert "waiting: process" in caplog.text


def test_different_recipes_at_once_take_turns(tmp_path):
    inside = []

    def produce(context):
        inside.append(1)
        assert len(inside) == 1
        time.sleep(0.1)
        context.path("onnx/model.onnx").write_text("graph")
        inside.clear()
        return Note()

    def work(number):
        folder = open_folder(tmp_path / "out", create=True)
        run_stage(folder, "export", {"number": number}, {}, produce, Note)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside
    assert open_folder(tmp_path / "out").damage(open_folder(tmp_path / "out").stage("export")) == ""


_HOLD = """
import pathlib, sys, time
from pipeline.artifacts.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_frees_the_lock(tmp_path):
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", _HOLD, path], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"held\n"
        with try_locked(path) as alone:
            assert not alone
        child.kill()
    with try_locked(path) as alone:
        assert alone


def test_a_lock_file_that_was_replaced_is_taken_again(tmp_path):
    path = tmp_path / "manifest/.lock"
    path.parent.mkdir()
    got = []

    def work():
        with locked(path):
            got.append(path.stat().st_ino)

    with locked(path):
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.2)
        path.unlink()
    thread.join()
    assert got == [path.stat().st_ino]


def test_a_lock_that_cannot_be_made_is_the_callers_error(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing/.lock"):
        pass
