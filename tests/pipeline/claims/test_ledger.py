"""One promise and its state."""

from pipeline.claims.ledger import judge
from pipeline.records.claim import Claim
from pipeline.records.record import as_json


def test_the_ledger():
    assert judge("a", True, "b") == Claim("a", "kept", "b", "")
    assert as_json(judge("a", False, "b")) == {
        "claim": "a",
        "state": "broken",
        "evidence": "b",
        "where": "",
    }
