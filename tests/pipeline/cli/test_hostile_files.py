"""Hostile files through the command line: exit 2 with a reason, nothing half-written, quickly."""

import time

import pytest

from pipeline.cli.app import run
from tests.pipeline.hostile_files import REFUSED, SOUND

SECONDS = 10


def commands(path):
    beside = path.parent
    return {
        "optimize": ["optimize", str(path), "-o", str(beside / "out.onnx")],
        "explain": ["explain", str(path)],
        "parity": ["parity", str(path), str(path)],
        "build-engine": ["build-engine", str(path), "-o", str(beside / "out.plan")],
    }


@pytest.mark.parametrize("command", ["optimize", "explain", "parity", "build-engine"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason_and_nothing_left(tmp_path, capfd, name, command):
    if command == "build-engine":
        pytest.importorskip("tensorrt_rtx")
    path = REFUSED[name](tmp_path)
    before = sorted(tmp_path.iterdir())
    started = time.perf_counter()
    code = run(commands(path)[command])
    assert time.perf_counter() - started < SECONDS
    said = capfd.readouterr().err
    assert code == 2, said
    assert "error: " in said
    assert "fix: " in said
    assert "Traceback" not in said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["optimize", "explain"])
@pytest.mark.parametrize("name", [n for n in SOUND if n != "a long chain"])
def test_sound_though_odd(tmp_path, capfd, name, command):
    path = SOUND[name](tmp_path)
    started = time.perf_counter()
    assert run(commands(path)[command]) == 0
    assert time.perf_counter() - started < SECONDS
    captured = capfd.readouterr()
    assert "\x1b" not in captured.out + captured.err
