"""The short version of kills.py: quick stages killed at random, with real files and locks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("kills", Path(__file__).parent / "kills.py")
assert _SPEC
assert _SPEC.loader
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["kills"] = kills  # dataclasses look their module up by name
_SPEC.loader.exec_module(kills)

# Stages that write slowly enough to be hit in the middle, with weights that they share.
_WORK = """
import sys, time
from pipeline.artifacts import open_folder, run_stage

GRAPH = b"\\x0a\\x08location\\x12\\x1dweights-0123456789abcdef.data"

def slow(path, data):
    with path.open("wb") as handle:
        for start in range(0, len(data), 1 + len(data) // 10):
            handle.write(data[start : start + 1 + len(data) // 10])
            handle.flush()
            time.sleep(0.002)

def export(context):
    temp = context.path("onnx/raw.data")
    slow(temp, b"w" * 100_000)
    context.place(temp, "onnx/weights-0123456789abcdef.data")
    for part in ("encoder", "decoder"):
        slow(context.path(f"onnx/{part}.onnx"), GRAPH * 100)
    return {}

def optimize(context):
    for part in ("encoder", "decoder"):
        slow(context.path(f"onnx/{part}.fast.onnx"), GRAPH * 90)
    return {}

folder = open_folder(sys.argv[1], create=True)
first = run_stage(folder, "export", {"recipe": sys.argv[2]}, {}, export)
run_stage(folder, "optimize", {}, {"export": first}, optimize)
"""


def test_killed_runs_complete_the_next_time(tmp_path):
    root = tmp_path / "out"
    script = tmp_path / "work.py"
    script.write_text(_WORK)
    command = [sys.executable, str(script), str(root), "1"]
    tally = kills.torture(command, root, kills=12, longest=0.5, seed=1)
    assert tally.half_made == 0
    assert tally.failed_after == 0
    assert tally.completed_after == 12


def test_the_script_sees_what_is_half_made(tmp_path):
    """Check the checker: a file that a manifest does not describe is reported."""
    root = tmp_path / "out"
    script = tmp_path / "work.py"
    script.write_text(_WORK)
    assert not kills.kill_once([sys.executable, str(script), str(root), "1"], 60)
    assert kills.half_made(root) == []
    (root / "onnx/encoder.onnx").write_bytes(b"half")
    assert kills.half_made(root)
    (root / "onnx/.tmp-1-x-model.onnx").write_bytes(b"half")
    assert kills.leftovers(root) == ["onnx/.tmp-1-x-model.onnx"]


@pytest.mark.parametrize("seconds", [0.01, 0.2])
def test_a_killed_child_is_gone(tmp_path, seconds):
    assert kills.kill_once([sys.executable, "-c", "import time; time.sleep(60)"], seconds)
