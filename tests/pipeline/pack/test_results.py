"""What a bundle measured is checked before anybody believes it."""

from __future__ import annotations

import json

import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import UsageError
from pipeline.pack.results import changed_since, read_results


def test_results_know_whether_the_folder_has_moved_on(unpacked, results, tmp_path):
    folder, _bundle, here = unpacked
    assert changed_since(results[0], open_folder(folder)) == ()
    assert results[0].machine["gpu"]
    raw = json.loads((here / "results.json").read_text())
    raw["artifacts"] |= {"export": "other", "perf": "lost"}
    (tmp_path / "r.json").write_text(json.dumps(raw))
    changed = changed_since(read_results(tmp_path / "r.json"), open_folder(folder))
    assert changed == ("export", "perf")


def test_a_stage_that_is_a_path_is_looked_for_nowhere(unpacked, results, tmp_path):
    manifest = tmp_path / "elsewhere.json"
    manifest.write_text("no manifest")
    raw = {**results[0].to_json(), "artifacts": {str(manifest.with_suffix("")): "a"}}
    (tmp_path / "r.json").write_text(json.dumps(raw))
    found = changed_since(read_results(tmp_path / "r.json"), open_folder(unpacked[0]))
    assert found == (str(manifest.with_suffix("")),)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", '{"format": 2, "results": 3}'])
def test_other_files_are_no_results(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match="no results of a bundle"):
        read_results(tmp_path / "r.json")


@pytest.mark.parametrize("number", [1, 3])
def test_results_of_another_versions_bundle_are_refused_with_what_to_do(number, results, tmp_path):
    raw = {**results[0].to_json(), "format": number}
    (tmp_path / "r.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match=f"has format {number}, this version reads 2") as caught:
        read_results(tmp_path / "r.json")
    assert "pack the folder again" in caught.value.fix
    assert caught.value.exit_code == 2
