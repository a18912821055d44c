"""A bundle's run.py knows the keys of the records that `pack` writes and `report` reads."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

import pytest

from pipeline.pack import bundle_keys as keys
from pipeline.records import bundle as records
from pipeline.records.bundle import BundleIndex, BundleResults, BundleRow


@pytest.mark.parametrize(
    ("typed", "record"),
    [
        (keys.Limits, records.ErrorLimits),
        (keys.Case, records.PackedCase),
        (keys.Candidate, records.PackedVariant),
        (keys.OutputErrors, records.OutputErrors),
        (keys.Outcome, records.CaseOutcome),
        (keys.Row, BundleRow),
    ],
)
def test_keys_are_those_of_the_record(typed, record):
    told = {field.name: field.default is MISSING for field in fields(record)}
    assert {name for name, needed in told.items() if needed} == typed.__required_keys__
    assert {name for name, needed in told.items() if not needed} == typed.__optional_keys__


def test_the_index_has_a_format_and_a_digest_beside_the_record():
    assert {field.name for field in fields(BundleIndex)} | {"format", "digest"} == (
        keys.Index.__required_keys__
    )


def test_what_it_reads_and_writes_has_these_keys(unpacked, results):
    index = json.loads((unpacked[2] / "bundle.json").read_text(encoding="utf-8"))
    assert index.keys() == keys.Index.__required_keys__
    assert isinstance(results[0], BundleResults)
