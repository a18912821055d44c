"""A command on a file from anyone runs in a child: however that ends, this side answers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from pipeline.cli import child
from pipeline.errors import BadModelError, EnvironmentMissingError
from tests.pipeline.hostile_files import model

MINUS, ONE = np.array([-(2**63)], np.int64), np.array([-1], np.int64)


def save(path, dividing=False):
    made = model()
    if dividing:  # the smallest integer by -1: the processor's own fault in every runtime
        for name, value in (("a", MINUS), ("b", ONE)):
            made.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        made.graph.node.append(onnx.helper.make_node("Div", ["a", "b"], ["q"]))
        made.graph.output.append(onnx.helper.make_tensor_value_info("q", 7, [1]))
    onnx.save(made, path)
    return str(path)


def start(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_only_files_of_others_need_one(tmp_path, monkeypatch):
    file = save(tmp_path / "m.onnx")
    assert child.files_of(["parity", file, file]) == [tmp_path / "m.onnx"] * 2
    assert child.files_of(["parity", str(tmp_path)]) == []
    assert child.files_of(["optimize", "--list"]) == []
    assert child.files_of(["report", file]) == []
    assert child.files_of(["parity", f"{'n' * 5000}.onnx", "a\0b.onnx"]) == []
    assert child.files_of([]) == []
    monkeypatch.setenv(child.CHILD, "1")
    assert child.files_of(["parity", file, file]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end it by other signals")
def test_a_crash_is_an_answer(tmp_path):
    file = save(tmp_path / "m.onnx", dividing=True)
    done = start("parity", file, file, "--json")
    out, err = done.communicate(timeout=300)
    assert done.returncode == 2, err
    assert "crashed on what it was given (SIGFPE)" in err
    assert '"exit_code": 2' in out
    assert "Traceback" not in err


def test_a_limit_of_time_is_kept_and_a_sound_file_passes_through(tmp_path):
    file = save(tmp_path / "m.onnx")
    done = start("explain", file, **{child.TIME_LIMIT: "0.05"})
    _out, err = done.communicate(timeout=60)
    assert (done.returncode, "was stopped after 0 s" in err) == (2, True), err
    done = start("explain", file, **{child.TIME_LIMIT: "0"})
    out, err = done.communicate(timeout=300)
    assert (done.returncode, "target ort-cpu" in out) == (0, True), err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_end_of_the_one_is_the_end_of_the_other(tmp_path):
    done = start("explain", save(tmp_path / "m.onnx"))
    children = Path(f"/proc/{done.pid}/task/{done.pid}/children")
    end = time.monotonic() + 60
    while not (found := children.read_text().split()) and time.monotonic() < end:
        time.sleep(0.01)
    done.send_signal(signal.SIGTERM)
    done.communicate(timeout=60)
    assert done.returncode in (143, -signal.SIGTERM)
    end = time.monotonic() + 20  # a busy machine takes a moment to clear it away
    while (left := [p for p in found if os.path.exists(f"/proc/{p}")]) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (-11, BadModelError, "SIGSEGV"),
        (-6, BadModelError, "SIGABRT"),
        (-9, EnvironmentMissingError, "killed by the system"),
        (0xC0000005, BadModelError, "code 3221225477"),
        (134, BadModelError, "code 134"),
    ],
)
def test_what_a_child_ended_with_is_named(monkeypatch, tmp_path, code, kind, says):
    monkeypatch.setattr(child, "_wait", lambda process, limit: code)
    with pytest.raises(kind, match=says):
        child.run_in_child(["--version"], [tmp_path / "m.onnx"])


@pytest.mark.parametrize("code", child.OURS)
def test_its_own_codes_are_handed_on(monkeypatch, tmp_path, code):
    monkeypatch.setattr(child, "_wait", lambda process, limit: code)
    assert child.run_in_child(["--version"], []) == code


def test_time_grows_with_the_files(tmp_path, monkeypatch):
    (tmp_path / "m.onnx").write_bytes(bytes(10**6))
    assert child._seconds([tmp_path / "m.onnx"]) == pytest.approx(606.0)
    monkeypatch.setenv(child.TIME_LIMIT, "7")
    assert child._seconds([tmp_path / "m.onnx"]) == 7.0
    monkeypatch.setenv(child.TIME_LIMIT, "many")
    assert child._seconds([]) == 600.0
