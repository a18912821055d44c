"""One promise and its state."""

from pipeline.claims.ledger import Claim, judge


def test_the_ledger():
    assert judge("a", True, "b") == Claim("a", "kept", "b")
    assert judge("a", False, "b").to_json() == {
        "claim": "a",
        "state": "broken",
        "evidence": "b",
        "where": "",
    }
