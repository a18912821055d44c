"""Coverage is read back as it was written, and a lie is refused."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.coverage import CoverageRecord
from pipeline.records.parity import ParityRecord
from tests.pipeline.records.judged import parity_record

FOUND = CoverageRecord(kind="rows", name="ids", covered=3, total=4, missing=("row 0",))


def test_coverage_is_read_back():
    record = parity_record(coverage={"model": (FOUND,)})
    assert ParityRecord.from_json(record.to_json()) == record


def test_a_count_that_is_none_is_refused():
    told = parity_record(coverage={"model": (FOUND,)}).to_json()
    told["coverage"]["model"][0]["covered"] = "4"
    with pytest.raises(FolderError, match="coverage"):
        ParityRecord.from_json(told)
