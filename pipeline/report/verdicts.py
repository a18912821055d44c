"""The verdicts at the top of the page: one card per question, good, bad or open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.records.optimize import OptimizeRecord, SiteCounts
from pipeline.records.perf import OverallRecord
from pipeline.records.report import ReportData
from pipeline.report import numbers
from pipeline.report.document import State


@dataclass(frozen=True)
class Card:
    """The answer to one question.

    Attributes:
        state: "open" is what could not be checked here.
        value: In a few words.
    """

    title: str
    state: State
    value: str
    detail: str


def cards(data: ReportData) -> list[Card]:
    """Return the cards that apply."""
    made = [_parity(data), _generation(data), _fusion(data), _speed(data), _claims(data)]
    made.append(_engines(data))
    return [card for card in made if card is not None]


def _parity(data: ReportData) -> Card | None:
    result = data.parity
    if result is None:
        return Card("Parity", "open", "not compared", "pipeline parity DIR compares")
    ran = [c for c in result.candidates() if not c.skipped]
    names = ", ".join(dict.fromkeys(c.name for c in ran))
    used = [o.usage for c in ran for o in c.outputs]
    if not result.passed:
        failed = list(dict.fromkeys(f"{c.part} {c.name}" for c in ran if not c.passed))
        return Card("Parity", "bad", "failed", ", ".join(failed) or "a generation failed")
    largest = numbers.percent(max((u for u in used if u is not None), default=0.0))
    return Card("Parity", "good", "within budget", f"{names}: at most {largest} of the budget")


def _generation(data: ReportData) -> Card | None:
    generation = data.parity.generation if data.parity is not None else None
    rows = [r for r in (generation.candidates if generation else ()) if r.passed is not None]
    if not rows:
        return None
    worst = min(rows, key=lambda row: row.equal)
    state: State = "good" if all(row.passed for row in rows) else "bad"
    value = f"{worst.equal} of {worst.texts} equal"
    ties = sum(row.near_ties for row in rows)
    detail = f"token for token, {len(rows)} ways of running"
    return Card("Generation", state, value, detail + (f"; {ties} near-ties" if ties else ""))


def _fusion(data: ReportData) -> Card | None:
    records = data.optimized.values()
    if not records:
        return None
    totals = _totals(records, "attention")
    found = totals.fused + totals.plain + totals.refused
    if not found:
        return Card("Fusion", "open", "no attention found", "pipeline explain says what was seen")
    value = f"{totals.fused} of {found} attentions"
    if totals.refused:
        detail = f"{totals.refused} refused, with reasons below"
    else:
        detail = f"for {numbers.count(len(records), 'target')}, each proven numerically"
    norms = _totals(records, "norm")
    every = norms.fused + norms.plain + norms.refused
    detail += f"; {norms.fused} of {every} norms" if every else ""
    return Card("Fusion", "bad" if totals.refused else "good", value, detail)


def _totals(records: Iterable[OptimizeRecord], construct: str) -> SiteCounts:
    """Return how many sites of a construct were fused, left plain and refused."""
    counts = [part.count(construct) for record in records for part in record.parts.values()]
    return SiteCounts(
        fused=sum(count.fused for count in counts),
        plain=sum(count.plain for count in counts),
        refused=sum(count.refused for count in counts),
    )


def _speed(data: ReportData) -> Card | None:
    result = data.perf
    if result is None:
        return Card("Speed", "open", "not measured", "pipeline perf DIR measures")
    ours = [row for row in result.overall if row.contender not in ("eager", "exported")]
    rows = ours or result.overall
    if not rows:
        return None
    first = rows[0].baseline
    best = max((row for row in rows if row.baseline == first), key=lambda row: row.value)
    mine = [row for row in rows if row.contender == best.contender]
    beaten = any(row.slower > row.faster for row in mine)
    state: State = "bad" if beaten or not result.passed else "good"
    if not any(row.faster or row.slower for row in mine):
        state = "info"
    busy = any("busy" in warning for warning in result.warnings)
    detail = ", ".join(_ratio(row) for row in mine if row is not best)
    tally = f"faster in {best.faster} of {best.jobs} settings"
    text = f"{best.contender} against {first}, {tally}" + (f"; {detail}" if detail else "")
    if busy:
        seen = f"{numbers.times(best.value)}, but the machine was busy; measure again: "
        return Card("Speed", "open", "unsettled", seen + text)
    return Card("Speed", state, numbers.times(best.value), text)


def _ratio(row: OverallRecord) -> str:
    """Return a further baseline's ratio, e.g. `1.33x exported`."""
    return f"{numbers.times(row.value)} {row.baseline}"


def _claims(data: ReportData) -> Card | None:
    claims = data.claims
    if not claims:
        return None
    tally = Counter(claim.state for claim in claims)
    state: State = "bad" if tally["broken"] else "good" if tally["kept"] else "open"
    detail = f"{tally['broken']} broken, {tally['unchecked']} could not be checked here"
    return Card("Claims", state, f"{tally['kept']} of {len(claims)} kept", detail)


def _engines(data: ReportData) -> Card | None:
    plans = [part for record in data.engines.values() for part in record.parts.values()]
    if not data.engines:
        return None
    targets = ", ".join(dict.fromkeys(t for plan in plans for t in plan.targets))
    proven = [m for found in data.elsewhere for m in found.measured if m.ran]
    ran = data.parity is not None and any(
        c.name.startswith("engine") and not c.skipped for c in data.parity.candidates()
    )
    detail = f"for {targets}"
    if any(m.right is False for m in proven):
        return Card("Engines", "bad", "wrong on a GPU", f"{detail}; see on other machines")
    if proven or ran:
        where = "here" if ran else "on another machine"
        return Card("Engines", "good", f"{len(plans)} built", f"{detail}; right {where}")
    return Card("Engines", "open", f"{len(plans)} built", f"{detail}; not run here, no GPU")


def random_weights(data: ReportData) -> bool:
    """Return whether the model's weights are random, which every reader must know first."""
    return data.export is not None and data.export.model.random_weights
