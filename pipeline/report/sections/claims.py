"""The ledger of promises: kept, broken, or not checkable here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report import numbers
from pipeline.report.document import (
    Badge,
    Block,
    Cell,
    Code,
    Details,
    Section,
    State,
    Table,
)

WORDS: dict[str, State] = {"kept": "good", "broken": "bad", "unchecked": "open"}
SHOWN = 6


def claims_section(data: Mapping[str, Any]) -> Section | None:
    """Return the section, None where nothing was claimed."""
    claims = data.get("claims") or []
    if not claims:
        return None
    lead = "What the command line promised, read back from the artifacts themselves."
    order = {"broken": 0, "unchecked": 1, "kept": 2}
    ordered = sorted(claims, key=lambda claim: order.get(str(claim["state"]), 3))
    kept = [claim for claim in ordered if claim["state"] == "kept"]
    rest = [claim for claim in ordered if claim["state"] != "kept"]
    blocks: list[Block] = []
    if rest:
        blocks.append(_table(rest))
    if kept and (rest or len(kept) > SHOWN):
        blocks.append(Details(f"{numbers.count(len(kept), 'claim')} kept", [_table(kept)]))
    elif kept:
        blocks.append(_table(kept))
    return Section("claims", "Claims", lead, blocks)


def _table(claims: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Cell]] = [
        [
            str(claim["claim"]),
            Badge(str(claim["state"]), WORDS.get(str(claim["state"]), "info")),
            str(claim["evidence"]),
            Code(str(claim.get("where", ""))) if claim.get("where") else "",
        ]
        for claim in claims
    ]
    return Table(("claim", "state", "evidence", "read from"), rows, stack=True)
