"""What became of the stages: the verdict, and everything as plain data."""

import json
from pathlib import Path

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.run.result import RunResult, StageOutcome
from tests.pipeline.artifacts.notes import Note


@pytest.fixture
def artifact(tmp_path):
    def produce(context):
        context.path("onnx/m.onnx").write_bytes(b"12345")
        return Note()

    return run_stage(open_folder(tmp_path, create=True), "export", {}, {}, produce, Note)


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [((None, None), True), ((True, None), True), ((True, False), False), ((), True)],
    ids=str,
)
def test_one_no_is_a_no(verdicts, passed):
    outcomes = tuple(StageOutcome("x", "made", passed=verdict) for verdict in verdicts)
    assert RunResult(Path("out"), outcomes).passed is passed


def test_everything_as_plain_data(artifact):
    outcomes = (
        StageOutcome("export", "made", "", 1.23456, artifact),
        StageOutcome("perf", "not run", "no GPU"),
        StageOutcome("parity", "reused", passed=False),
    )
    told = RunResult(Path("out"), outcomes, Path("out/report.html")).record().to_json()
    assert json.loads(json.dumps(told)) == told
    assert (told["folder"], told["passed"], told["report"]) == ("out", False, "out/report.html")
    export, perf, parity = told["stages"]
    assert (export["seconds"], export["key"], export["digest"]) == (
        1.235, artifact.key, artifact.digest,
    )  # fmt: skip
    assert [(file["path"], file["bytes"]) for file in export["files"]] == [("onnx/m.onnx", 5)]
    assert (perf["status"], perf["detail"], perf["key"], perf["files"]) == (
        "not run", "no GPU", None, [],
    )  # fmt: skip
    assert (parity["passed"], RunResult(Path("out"), ()).record().to_json()["report"]) == (
        False,
        None,
    )


def test_a_notebooks_table_has_times_of_what_was_made():
    outcomes = (
        StageOutcome("export", "made", seconds=1.26),
        StageOutcome("perf", "reused", seconds=3.0),
    )
    (grid,) = RunResult(Path("out"), outcomes).grids()
    assert grid.columns[0] == "stage"
    assert [row[2] for row in grid.rows] == ["1.3", ""]
