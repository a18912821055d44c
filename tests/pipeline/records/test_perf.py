"""A measurement's record: which keys are absent, and what is read off it."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.perf import PerfRecord, PerfResult
from tests.pipeline.records.judged import (
    contender,
    left_out,
    perf_record,
    perf_result,
    ratio,
    timing,
)


def test_who_was_left_out_has_no_figures():
    ran, left = perf_result(contenders=(contender(), left_out())).to_json()["contenders"]
    assert set(ran) - set(left) == {"precision", "device", "threads", "load_s", "peak_rss_bytes"}


def test_a_summary_has_no_samples_and_a_part_no_tokens():
    whole, short = perf_result(results=(timing(), timing(samples=None))).to_json()["results"]
    assert "samples" in whole
    assert not {"samples", "tokens_per_s"} & set(short)


def test_an_open_end_is_told_as_none():
    (row,) = perf_result(ratios=(ratio(high=None),)).to_json()["ratios"]
    assert row["high"] is None
    with pytest.raises(ValueError, match="inf has no JSON form"):
        perf_result(ratios=(ratio(high=float("inf")),)).to_json()


def test_the_facts_are_the_result_and_where_it_lies():
    told, whole = perf_record().to_json(), perf_result().to_json()
    assert {**whole, "file": "perf/perf.json"} == told
    assert next(iter(told)) == "format"
    with pytest.raises(FolderError, match="unknown field"):
        PerfResult.from_json(told)
    assert PerfRecord.from_json(told).file == "perf/perf.json"


def test_whole_calls_of_a_job():
    results = (timing("a"), timing("a", series="first"), timing("b"), timing("b", job="other"))
    found = perf_result(results=results).calls_of("model batch=1")
    assert [row.contender for row in found] == ["a", "b"]
