"""Claims as kept, broken, or not checkable here."""

from __future__ import annotations

from pipeline.records.claim import Claim


def judge(claim: str, good: bool, evidence: str, where: str = "") -> Claim:
    """Return the claim as kept or broken."""
    return Claim(claim, "kept" if good else "broken", evidence, where)
