"""A comparison's record: which keys are absent, what a rule is, and what is read off it."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.parity import ParityResult, ParityRule
from tests.pipeline.records.judged import candidate, departure, parity_record, parity_result


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"rms": 2.0, "max": 8.0, "loud": 32.0},
        {"absolute": 0.5},
        {"relative": 0.5},
        {"rms": 2.0, "max": 8.0, "loud": 32.0, "floor_ulps": 4.0, "absolute": 0.5, "relative": 0.0},
    ],
    ids=["nothing", "three factors", "no relative", "no absolute", "both kinds"],
)
def test_a_rule_is_of_one_kind_and_whole(given):
    with pytest.raises(ValueError, match="A rule has"):
        ParityRule(**given)
    told = {**parity_result().to_json(), "rule": given}
    with pytest.raises(FolderError, match=r"A rule has.*\$\.rule"):
        ParityResult.from_json(told)


def test_a_rule_names_what_it_is_made_of():
    told = parity_result(rule=ParityRule(absolute=0.5, relative=0.0)).to_json()
    assert told["rule"] == {"absolute": 0.5, "relative": 0.0}
    assert set(parity_result().to_json()["rule"]) == {"rms", "max", "loud", "floor_ulps"}


def test_where_no_tensor_departs_none_is_named():
    none = dict.fromkeys(("before", "tensor", "node", "module", "rewrite", "usage"))
    told = parity_result(bisect=(departure(**none, hint="export again"),)).to_json()
    assert set(told["bisect"][0]) == {
        "candidate", "part", "stage", "compared", "usage", "hint",
    }  # fmt: skip


def test_a_folder_holds_the_whole_result_in_a_file_and_files_in_the_record():
    assert "result" not in parity_record().to_json()
    told = parity_record(file=None, result=parity_result()).to_json()
    assert "file" not in told
    assert "format" not in told["result"]


def test_candidates_of_all_parts():
    one = parity_result(candidate(name="a")).parts["model"]
    two = parity_result(candidate(name="b")).parts["model"]
    whole = parity_result(parts={"encoder": one, "decoder": two})
    assert [entry.name for entry in whole.candidates()] == ["a", "b"]
