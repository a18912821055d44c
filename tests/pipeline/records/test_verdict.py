"""Only judging stages have a verdict, and it is read off their own record."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import FolderError
from pipeline.records.verdict import verdict_of
from tests.pipeline.records.judged import parity_record, perf_record
from tests.pipeline.records.made import export_record


def artifact(stage, facts):
    return SimpleNamespace(folder=Path("out"), stage=stage, facts=facts)


@pytest.mark.parametrize("passed", [True, False])
def test_judging_stages(passed):
    assert verdict_of(artifact("parity", parity_record(passed=passed).to_json())) is passed
    assert verdict_of(artifact("perf", perf_record(passed=passed).to_json())) is passed


def test_other_stages():
    assert verdict_of(artifact("export", export_record().to_json())) is None


def test_a_verdict_without_its_record_is_none():
    with pytest.raises(FolderError, match="the parity record has format 0"):
        verdict_of(artifact("parity", {"passed": True}))
