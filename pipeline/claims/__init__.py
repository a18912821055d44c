"""What was promised, re-read from the artifacts: kept, broken, or not checkable here."""

from __future__ import annotations

from pipeline.claims.ledger import Claim, State

__all__ = ["Claim", "State"]
