"""What a run tells of its stages."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.run import RunRecord
from tests.pipeline.records.told import run_record


def test_keys_are_those_that_scripts_read():
    told = run_record().to_json()
    assert list(told) == ["format", "folder", "passed", "report", "stages"]
    assert list(told["stages"][0]) == [
        "stage", "status", "detail", "seconds", "passed", "key", "digest", "files",
    ]  # fmt: skip
    assert list(told["stages"][0]["files"][0]) == ["path", "sha256", "bytes", "shared"]


def test_a_run_without_a_report_says_none():
    assert run_record(report=None).to_json()["report"] is None


def test_a_stage_comes_to_one_of_five_ends():
    told = run_record().to_json()
    told["stages"][0]["status"] = "lost"
    with pytest.raises(FolderError, match=r"stages\[0\]\.status"):
        RunRecord.from_json(told)
