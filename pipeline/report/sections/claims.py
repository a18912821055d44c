"""The ledger of promises: kept, broken, or not checkable here."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.records.claim import Claim, ClaimState
from pipeline.records.report import ReportData
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

WORDS: dict[ClaimState, State] = {"kept": "good", "broken": "bad", "unchecked": "open"}
SHOWN = 6


def claims_section(data: ReportData) -> Section | None:
    """Return the section, None where nothing was claimed."""
    if not data.claims:
        return None
    lead = "What the command line promised, read back from the artifacts themselves."
    kept = [claim for claim in data.claims if claim.state == "kept"]
    rest = [
        claim for state in ("broken", "unchecked") for claim in data.claims if claim.state == state
    ]
    blocks: list[Block] = []
    if rest:
        blocks.append(_table(rest))
    if kept and (rest or len(kept) > SHOWN):
        blocks.append(Details(f"{numbers.count(len(kept), 'claim')} kept", [_table(kept)]))
    elif kept:
        blocks.append(_table(kept))
    return Section("claims", "Claims", lead, blocks)


def _table(claims: Sequence[Claim]) -> Table:
    rows: list[list[Cell]] = [
        [
            claim.claim,
            Badge(claim.state, WORDS[claim.state]),
            claim.evidence,
            Code(claim.where) if claim.where else "",
        ]
        for claim in claims
    ]
    return Table(("claim", "state", "evidence", "read from"), rows, stack=True)
