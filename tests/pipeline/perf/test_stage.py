"""The stage: what it takes, what it keeps, and when a measurement is made again."""

import json
from dataclasses import replace

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError, UsageError
from pipeline.perf import bench, stage
from pipeline.perf.options import PerfOptions
from pipeline.perf.stage import measure_perf, summary
from pipeline.records.perf import PerfRecord, PerfResult
from tests.pipeline.artifacts.notes import Note
from tests.pipeline.records.judged import perf_result

RESULT = perf_result()


@pytest.fixture
def exported(bert_export):
    return bert_export


@pytest.fixture
def measured(monkeypatch):
    """Return the options each measurement was made with; nothing is really timed."""
    calls = []

    def fake(options, *_):
        calls.append(options)
        return RESULT

    monkeypatch.setattr(bench, "measure_folder", fake)
    monkeypatch.setattr(bench, "measure_files", fake)
    return calls


def test_samples_are_on_disk_and_not_in_the_facts(exported, measured):
    made = measure_perf(PerfOptions((exported,)))
    record = PerfRecord.of(made)
    assert PerfResult.from_json(json.loads(made.path(record.file).read_text())) == RESULT
    assert record == summary(RESULT, "perf/perf.json")
    assert all(row.samples for row in RESULT.results)
    assert all(row.samples is None for row in record.results)


def test_a_folder_is_measured_again_when_an_option_or_the_machine_changes(
    exported, measured, monkeypatch
):
    options = PerfOptions((exported,), sessions=3)
    assert not measure_perf(options).reused
    assert measure_perf(options).reused
    assert not measure_perf(PerfOptions((exported,), sessions=4)).reused
    assert measure_perf(PerfOptions((exported,), sessions=4)).reused
    known = stage.machine()
    monkeypatch.setattr(stage, "machine", lambda: replace(known, cpu="another"))
    assert not measure_perf(PerfOptions((exported,), sessions=4)).reused


def test_two_files_are_measured_and_written_where_it_is_said(tmp_path, measured):
    options = PerfOptions((tmp_path / "a.onnx", tmp_path / "b.onnx"), tmp_path / "deep/perf.json")
    made = measure_perf(options)
    stored = json.loads((tmp_path / "deep/perf.json").read_text())
    assert PerfResult.from_json(stored) == RESULT
    assert (made.stage, PerfRecord.of(made).result) == ("perf", RESULT)
    assert made.seconds >= 0


@pytest.mark.parametrize(
    ("names", "words"),
    [(("a.onnx",), "one file has nothing to be compared with"),
     ((".", "a.onnx"), "a folder is measured by itself")],
    ids=["one file", "folder and file"],
)  # fmt: skip
def test_nothing_to_compare(names, words, tmp_path, measured):
    with pytest.raises(UsageError, match=words):
        measure_perf(PerfOptions(tuple(tmp_path / name for name in names)))
    assert measured == []


def test_a_folder_without_an_export_says_how_to_measure_it(tmp_path, measured):
    run_stage(
        open_folder(tmp_path / "d", create=True), "strange", {}, {}, lambda context: Note(), Note
    )
    with pytest.raises(FolderError) as caught:
        measure_perf(PerfOptions((tmp_path / "d",)))
    assert "pipeline perf ORIGINAL.onnx" in caught.value.fix
