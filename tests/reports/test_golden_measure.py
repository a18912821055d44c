"""What `compare` of reports/golden says about two files."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.presets import PRESETS

FILE = Path(__file__).parents[2] / "reports" / "golden" / "measure.py"
_SPEC = importlib.util.spec_from_file_location("golden_measure", FILE)
assert _SPEC
assert _SPEC.loader
measure = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(measure)

BEFORE = {"a x": {"digest": "1", "ops": {"Add": 2, "Mul": 1}}, "b x": {"error": "no"}}


def test_equal_files_have_no_differences():
    assert measure.differences(BEFORE, json.loads(json.dumps(BEFORE))) == []


def test_each_difference_is_a_line():
    after = {"a x": {"digest": "2", "ops": {"Add": 3, "Mul": 1}}, "c x": {"digest": "3"}}
    assert measure.differences(BEFORE, after) == [
        "a x: digest: 1 -> 2",
        "a x: ops: Add 2 -> 3",
        "b x: only before",
        "c x: only after",
    ]


def test_a_graph_that_fails_now_is_a_difference():
    after = {"a x": {"error": "ValueError: no"}, "b x": {"error": "no"}}
    assert "a x: error: None -> ValueError: no" in measure.differences(BEFORE, after)


@pytest.mark.parametrize(
    ("after", "only", "code"),
    [
        (BEFORE, "*", 0),
        ({"a x": BEFORE["a x"]}, "*", 1),
        ({"a x": BEFORE["a x"]}, "a", 0),
        (BEFORE, "c", 1),
    ],
)
def test_compare_ends_with_1_where_there_is_a_difference(tmp_path, after, only, code):
    for name, entries in (("before", BEFORE), ("after", after)):
        (tmp_path / name).write_text(json.dumps(entries))
    command = [sys.executable, FILE, "compare", tmp_path / "before", tmp_path / "after"]
    made = subprocess.run([*command, "--only", only], capture_output=True, check=False)
    assert made.returncode == code


def test_every_preset_is_made_and_none_is_large():
    light = measure.light_presets()
    assert light.keys() == PRESETS.keys()
    assert all(p.folder or p.sizes["layers"] == 2 for p in light.values())
    assert all(p.folder or p.sizes["width"] <= 640 for p in light.values())
    for name, preset in light.items():
        assert list(measure.forms(name, preset)), name
