"""What a bundle measured is checked before anybody believes it."""

from __future__ import annotations

import json

import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import UsageError
from pipeline.pack.results import Measured, read_results


def test_results_know_whether_the_folder_has_moved_on(unpacked, results, tmp_path):
    assert results[0].current
    assert results[0].machine["gpu"]
    folder, _bundle, here = unpacked
    raw = json.loads((here / "results.json").read_text())
    raw["artifacts"]["export"] = "other"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    assert read_results(tmp_path / "r.json", open_folder(folder)).changed == ("export",)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", '{"format": 1, "results": 3}'])
def test_other_files_are_no_results(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match="no results of a bundle"):
        read_results(tmp_path / "r.json")


def test_medians_are_over_all_rounds_and_nothing_is_no_median():
    made = Measured("m", "fp32", True, True, "cpu", {"a": [[1.0, 9.0], [2.0]], "b": [[]]}, ())
    assert made.median_ms() == {"a": 2.0}


def told(**fields):
    record = {"name": "m", "precision": "fp16", "ran": True, "right": True, "device": "a GPU"}
    return {**record, **fields}


def test_what_did_not_run_is_neither_right_nor_wrong(tmp_path):
    content = {
        "format": 1, "artifacts": {}, "machine": {"gpu": 3}, "when": "now",
        "results": [told(), {**told(ran=False), "reason": "no GPU"}],
    }  # fmt: skip
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    results = read_results(path)
    assert [(m.right, m.device) for m in results.measured] == [(True, "a GPU"), (None, "no GPU")]
    assert (results.right, results.current, results.machine) == (True, True, {"gpu": "3"})
    content["results"].append(told(right=False))
    path.write_text(json.dumps(content))
    assert not read_results(path).right
