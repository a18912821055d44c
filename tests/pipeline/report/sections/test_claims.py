"""The ledger on the page: broken first, kept ones behind a line where there are others."""

import pytest

from pipeline.report.sections.claims import SHOWN, claims_section
from tests.pipeline.report.cells import details, rows, tables, told


def claim(state, number=0, **fields):
    told = {"claim": f"claim {number}", "state": state, "evidence": "seen", "where": ""}
    return {**told, **fields}


def test_broken_before_unchecked_before_kept(data):
    section = claims_section(told(data))
    first, kept = tables(section)
    assert [row["state"] for row in rows(first)] == ["broken [bad]", "unchecked [open]"]
    assert [row["state"] for row in rows(kept)] == ["kept [good]"]
    assert details(section) == ["1 claim kept"]


@pytest.mark.parametrize(("count", "hidden"), [(SHOWN, False), (SHOWN + 1, True)])
def test_a_few_kept_claims_are_shown_at_once(count, hidden, data):
    data["claims"] = [claim("kept", i) for i in range(count)]
    section = claims_section(told(data))
    assert details(section) == ([f"{count} claims kept"] if hidden else [])
    (table,) = tables(section)
    assert [row["claim"] for row in rows(table)] == [f"claim {i}" for i in range(count)]


def test_without_a_kept_claim_there_is_one_table(data):
    data["claims"] = [claim("broken")]
    assert len(tables(claims_section(told(data)))) == 1


def test_where_a_claim_was_read_is_named(data):
    data["claims"] = [claim("kept", where="onnx/m.onnx"), claim("unchecked")]
    section = claims_section(told(data))
    shown = [row for table in tables(section) for row in rows(table)]
    assert [(row["state"], row["read from"]) for row in shown] == [
        ("unchecked [open]", ""),
        ("kept [good]", "onnx/m.onnx"),
    ]


def test_nothing_claimed_is_no_section(data):
    data["claims"] = []
    assert claims_section(told(data)) is None
