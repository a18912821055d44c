"""A folder's data: its stages read by type, and whether anything failed."""

from dataclasses import replace

import pytest

from pipeline.errors import FolderError
from pipeline.records.claim import Claim
from pipeline.records.export import ExportRecord
from tests.pipeline.records.judged import parity_record, perf_record
from tests.pipeline.records.made import SAMPLES
from tests.pipeline.records.told import report_data, stage_data


def test_stages_are_read_by_their_own_records():
    data = report_data()
    assert data.export == SAMPLES["export"]
    assert data.optimized == {"ort-cpu-fp32": SAMPLES["optimize"]}
    assert data.engines == {"tensorrt-fp16": SAMPLES["build-engine"]}
    assert replace(data, stages=()).export is None


def test_facts_of_another_version_are_refused_where_they_are_read():
    facts = {**SAMPLES["export"].to_json(), "format": ExportRecord.FORMAT + 1}
    data = report_data(stages=(stage_data(facts=facts),))
    with pytest.raises(FolderError, match="export record has format"):
        _ = data.export


@pytest.mark.parametrize("record", [parity_record, perf_record])
def test_a_judging_stage_that_says_no_fails_the_whole(record):
    stages = [stage_data(record.__name__[:-7], record(passed=no).to_json()) for no in (True, False)]
    good, bad = (report_data(stages=(stage_data(), stage), elsewhere=()) for stage in stages)
    assert (good.passed, bad.passed) == (True, False)
    assert [stage.passed for stage in bad.stages] == [None, False]


@pytest.mark.parametrize(
    ("state", "passed"), [("kept", True), ("unchecked", True), ("broken", False)]
)
def test_a_broken_claim_fails_the_whole(state, passed):
    claims = (Claim("a", state, "b", ""),)
    assert report_data(claims=claims, elsewhere=()).passed is passed


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("model.exported", "export"),
        ("model.ort-cpu-fp32", "optimize.ort-cpu-fp32"),
        ("model.tensorrt-fp16.engine", "build-engine.tensorrt-fp16"),
    ],
)
def test_what_was_wrong_elsewhere_fails_the_whole_until_it_is_made_again(name, stage):
    (bundle,) = report_data().elsewhere
    row = replace(bundle.measured[0], name=name, right=False)
    assert row.stage == stage
    for right, changed, passed in [(False, (), False), (True, (), True), (False, (stage,), True)]:
        there = replace(bundle, measured=(replace(row, right=right),), changed=changed)
        assert report_data(elsewhere=(there,)).passed is passed


def test_names_of_stages_are_verb_and_variant():
    assert (stage_data("optimize.a-b").verb, stage_data("optimize.a-b").variant) == (
        "optimize", "a-b",
    )  # fmt: skip
    assert (stage_data().verb, stage_data().variant) == ("export", "")
