"""One promise, as data."""

import pytest

from pipeline.records.claim import Claim
from pipeline.records.record import as_json, read

CLAIM = Claim("it is fp32", "kept", "read", "")


def test_a_claim_survives_its_json_form():
    told = {"claim": "it is fp32", "state": "kept", "evidence": "read", "where": ""}
    assert as_json(CLAIM) == told
    assert read(Claim, told) == CLAIM


def test_a_state_is_one_of_three():
    with pytest.raises(ValueError, match="state"):
        read(Claim, {**as_json(CLAIM), "state": "maybe"})
