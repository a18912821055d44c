"""The verdict on a package, as data."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.package import PackageRecord
from tests.pipeline.records.told import TOLD

RECORD = TOLD["package"]


def test_it_is_kept_by_runtime_and_variant():
    assert RECORD.place == "packages/triton.optimize.ort-cpu-fp32.json"


@pytest.mark.parametrize("right", ["yes", 1])
def test_an_answer_is_right_wrong_or_not_asked(right):
    told = RECORD.to_json()
    told["findings"][0]["right"] = right
    with pytest.raises(FolderError, match="right"):
        PackageRecord.from_json(told)
