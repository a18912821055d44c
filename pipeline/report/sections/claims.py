"""The ledger of promises: kept, broken, or not checkable here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.document import Badge, Section, State, Table

WORDS: dict[str, State] = {"kept": "good", "broken": "bad", "unchecked": "open"}


def claims_section(data: Mapping[str, Any]) -> Section | None:
    """Return the section, None where nothing was claimed."""
    claims = data.get("claims") or []
    if not claims:
        return None
    order = {"broken": 0, "unchecked": 1, "kept": 2}
    rows = [
        [
            Badge(str(claim["state"]), WORDS.get(str(claim["state"]), "info")),
            str(claim["claim"]),
            str(claim.get("evidence", "")),
        ]
        for claim in sorted(claims, key=lambda claim: order.get(str(claim["state"]), 3))
    ]
    lead = "What the command line promised, read back from the artifacts themselves."
    return Section("claims", "Claims", lead, [Table(("", "claim", "evidence"), rows, stack=True)])
