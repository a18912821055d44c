"""A folder's artifacts as one structure, in the order of the stages, without paths of here."""

import json

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import UsageError
from pipeline.report.collect import ELSEWHERE, add_results, collect, stage_of, stages_of


@pytest.fixture
def folder(tmp_path):
    """Return a folder whose stages were made in another order than they are told."""
    made = open_folder(tmp_path / "out", create=True)

    def judged(name):
        def produce(context):
            context.path(f"{name}/{name}.json").write_text(json.dumps({"of": name}))
            context.log(f"wrote {made.path}/{name}/{name}.json")
            return {"passed": True, "file": f"{name}/{name}.json"}

        return produce

    run_stage(made, "perf", {}, {}, judged("perf"))
    run_stage(made, "parity", {}, {}, judged("parity"))
    run_stage(made, "strange", {}, {}, lambda context: {"x": 1})
    return made


def test_stages_are_told_in_their_order_and_unknown_ones_last(folder):
    data = collect(folder)
    assert [stage["stage"] for stage in data["stages"]] == ["parity", "perf", "strange"]
    assert data["name"] == "out"
    assert data["machine"]["cores"] >= 1


def test_results_are_read_from_the_files_that_the_stages_name(folder):
    data = collect(folder)
    assert (data["parity"], data["perf"]) == ({"of": "parity"}, {"of": "perf"})
    (folder.path / "perf/perf.json").unlink()
    assert collect(folder)["perf"] is None


def test_notes_do_not_say_where_the_folder_lay(folder):
    (line,) = stage_of(collect(folder), "parity")["log"]
    assert line.endswith("wrote parity/parity.json")
    assert str(folder.path) not in json.dumps(collect(folder))


def test_a_stage_is_told_with_its_files(folder):
    stage = stage_of(collect(folder), "parity")
    (file,) = stage["files"]
    assert (file["path"], file["bytes"]) == ("parity/parity.json", len('{"of": "parity"}'))
    assert len(stage["key"]) == len(file["sha256"]) == 64
    assert stage["seconds"] >= 0


def results(path, **fields):
    record = {"name": "m", "precision": "fp16", "ran": False, "reason": "no GPU"}
    told = {"format": 1, "results": [record], "artifacts": {}, "machine": {}, "when": "now"}
    path.write_text(json.dumps({**told, **fields}))
    return path


def test_results_of_bundles_are_kept_by_their_contents(folder, tmp_path):
    add_results(folder, results(tmp_path / "a.json"))
    add_results(folder, results(tmp_path / "b.json"))
    add_results(folder, results(tmp_path / "c.json", when="later"))
    assert len(list((folder.path / ELSEWHERE).iterdir())) == 2
    assert {found["when"] for found in collect(folder)["elsewhere"]} == {"now", "later"}


def test_what_no_bundle_wrote_is_not_kept(folder, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UsageError):
        add_results(folder, tmp_path / "x.json")
    assert not (folder.path / ELSEWHERE).exists()


def test_stages_are_found_by_name_and_verb(data):
    assert stage_of(data, "export")["facts"]["task"] == "text-generation"
    assert stage_of(data, "none") is None
    assert len(stages_of(data, "optimize")) == 1
