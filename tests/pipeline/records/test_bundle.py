"""What a bundle holds and brings back: candidates, cases, verdicts, medians."""

import json

import pytest

from pipeline.errors import FolderError
from pipeline.records.bundle import BundleResults, PackedVariant
from tests.pipeline.records.told import BUNDLE, bundle_results, bundle_row, not_run


def test_a_graph_has_its_session_and_an_engine_what_built_it():
    graph, engine = (candidate.keys() for candidate in BUNDLE.to_json()["candidates"])
    assert "session" in graph - engine
    assert engine - graph == {"flavour", "version", "targets", "profiles"}


def test_a_candidate_is_a_graph_or_an_engine():
    told = BUNDLE.to_json()
    told["candidates"][0]["kind"] = "model"
    with pytest.raises(FolderError, match=r"candidates\[0\]\.kind"):
        type(BUNDLE).from_json(told)
    assert PackedVariant.__annotations__["kind"]


def test_medians_are_over_all_rounds_and_nothing_is_no_median():
    row = bundle_row(latency_ms={"a": ((1.0, 9.0), (2.0,)), "b": ((),)})
    assert row.median_ms() == {"a": 2.0}
    assert not_run().median_ms() == {}


def test_what_did_not_run_is_neither_right_nor_wrong():
    assert bundle_results(bundle_row(right=True), not_run()).right
    assert not bundle_results(bundle_row(right=False), not_run()).right


@pytest.mark.parametrize(
    "changes",
    [{"device": None}, {"cases": None}, {"right": None}, {"ran": False}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_ran_says_how_and_what_did_not_says_why(changes):
    with pytest.raises(ValueError, match="what did not a reason"):
        bundle_row(**changes)
    told = bundle_results().to_json()
    del told["results"][1]["reason"]
    with pytest.raises(FolderError, match="what did not a reason"):
        BundleResults.from_json(told)


def test_an_output_that_never_came_has_no_shape(tmp_path):
    told = bundle_results().to_json()
    told["results"][0]["cases"][0]["outputs"]["y"]["shape"] = None
    (tmp_path / "r.json").write_text(json.dumps(told))
    (row, _) = BundleResults.read_file(tmp_path / "r.json").results
    assert row.cases[0].outputs["y"].shape is None
