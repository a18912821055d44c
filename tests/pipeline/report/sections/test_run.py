"""What was run, on the page: stages, files, versions, notes."""

from pipeline.report.sections.run import note_random_weights, run_section
from tests.pipeline.report.cells import details, rows, table_with, tables, told


def test_stages_in_order_with_verdict_time_and_size(data):
    first, *_, last = table_with(run_section(told(data)), "verdict")
    assert (first["stage"], first["verdict"], first["time"]) == ("export", "made [info]", "3.20 s")
    assert (first["files"], first["size"], first["key"]) == ("1 file", "1.23 kB", "k" * 12)
    assert last["verdict"] == "passed [good]"
    data["stages"][-1]["facts"]["passed"] = False
    assert table_with(run_section(told(data)), "verdict")[-1]["verdict"] == "failed [bad]"


def test_shared_files_are_named_and_not_counted_twice(data):
    record = data["stages"][0]["files"][0]
    data["stages"][0]["files"].append({**record, "path": "weights.data", "shared": True})
    section = run_section(told(data))
    stage = table_with(section, "verdict")[0]
    assert (stage["files"], stage["size"]) == ("2 files", "1.23 kB")
    shared = next(row for row in table_with(section, "sha256") if row["file"] == "weights.data")
    assert shared["stage"] == "export (shared)"


def test_the_longest_stage_is_the_full_bar(data):
    data["stages"][0]["seconds"] = 6.4
    bars = [row[2].share for row in tables(run_section(told(data)))[0].rows]
    assert bars[0] == 1.0
    assert set(bars[1:]) == {0.5}


def test_versions_once_without_what_is_absent(data):
    data["stages"][0]["versions"] = {"torch": "2.13", "openvino": "absent", "python": "3.12"}
    found = {row["what"]: row["value"] for row in table_with(run_section(told(data)), "what")}
    assert found["memory"] == "8.00 GB"
    assert found["torch"] == "2.13"
    assert "openvino" not in found
    assert [row["what"] for row in table_with(run_section(told(data)), "what")].count("python") == 1


def test_notes_of_stages_are_kept_and_nothing_is_no_line(data):
    assert "What the stages noted" in details(run_section(told(data)))
    for stage in data["stages"]:
        stage["log"] = []
    section = run_section(told(data))
    assert "What the stages noted" not in details(section)
    assert section.lead.startswith("5 artifacts, made in 16.0 s of work")
    assert rows(tables(section)[0])


def test_random_weights_are_a_warning():
    assert note_random_weights().state == "open"
    assert note_random_weights().text.startswith("Random weights")
