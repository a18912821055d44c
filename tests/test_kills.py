"""The short version of kills.py: quick stages killed at random, with real files and locks."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.artifacts.notes import Note

_SPEC = importlib.util.spec_from_file_location("kills", Path(__file__).parent / "kills.py")
assert _SPEC
assert _SPEC.loader
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["kills"] = kills  # dataclasses look their module up by name
_SPEC.loader.exec_module(kills)

# Stages that write slowly enough to be hit in the middle, with weights that they share. Run as a
# script, since a test process has threads and is better not forked.
_WORK = """
import json, sys, time
from pathlib import Path
sys.path[:0] = [sys.argv[2], str(Path(sys.argv[2]).parent)]
from pipeline.artifacts import open_folder, run_stage
from tests.pipeline.artifacts.notes import Note

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
    return Note()

def optimize(context):
    for part in ("encoder", "decoder"):
        slow(context.path(f"onnx/{part}.fast.onnx"), GRAPH * 90)
    return Note()

def work():
    folder = open_folder(sys.argv[1], create=True)
    first = run_stage(folder, "export", {"a": 1}, {}, export, Note)
    run_stage(folder, "optimize", {}, {"export": first}, optimize, Note)
    return 0

import kills
from dataclasses import asdict
print(json.dumps(asdict(kills.torture(work, Path(sys.argv[1]), int(sys.argv[3]), 0.15, seed=1))))
"""


def test_killed_runs_complete_the_next_time(tmp_path):
    words = [sys.executable, "-c", _WORK, str(tmp_path / "out"), str(Path(__file__).parent), "40"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    tally = json.loads(done.stdout)
    assert done.stderr.count("kill ") == 0, done.stderr
    assert tally["kills"] == tally["completed_after"] == 40
    assert tally["half_made"] == tally["failed_after"] == 0


@pytest.fixture
def made(tmp_path):
    """A folder with one artifact of one file."""
    from pipeline.artifacts import open_folder, run_stage

    def produce(context):
        context.path("onnx/model.txt").write_text("whole")
        return Note()

    return run_stage(open_folder(tmp_path / "out", create=True), "export", {}, {}, produce, Note)


def test_the_script_sees_what_is_half_made(made):
    """Check the checker: a file that a manifest does not describe is reported."""
    assert kills.half_made(made.folder) == ([], 1)
    made.path("onnx/model.txt").write_text("half")
    assert kills.half_made(made.folder)[0]


def test_the_script_sees_what_is_left_over(made):
    assert kills.leftovers(made.folder) == []
    made.path("onnx/.tmp-1-x-model.onnx").write_text("half")
    assert kills.leftovers(made.folder) == ["onnx/.tmp-1-x-model.onnx"]
