"""The verdicts at the top of the page: one card per question, good, bad or open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report import numbers
from pipeline.report.collect import stage_of, stages_of

Card = dict[str, str]


def cards(data: Mapping[str, Any]) -> list[Card]:
    """Return the cards that apply: {"title", "state", "value", "detail"}.

    `state` is "good", "bad", "open" (could not be checked here) or "info".
    """
    made = [_parity(data), _generation(data), _fusion(data), _speed(data), _claims(data)]
    made.append(_engines(data))
    return [card for card in made if card is not None]


def card(title: str, state: str, value: str, detail: str) -> Card:
    """Return one card."""
    return {"title": title, "state": state, "value": value, "detail": detail}


def _parity(data: Mapping[str, Any]) -> Card | None:
    result = data["parity"]
    if result is None:
        return card("Parity", "open", "not compared", "pipeline parity DIR compares")
    rows = [c for part in result["parts"].values() for c in part["candidates"]]
    ran = [c for c in rows if not c["skipped"]]
    names = ", ".join(dict.fromkeys(str(c["name"]) for c in ran))
    used = [o["usage"] for c in ran for o in c["outputs"]]
    if not result["passed"]:
        failed = list(dict.fromkeys(f"{c['part']} {c['name']}" for c in ran if not c["passed"]))
        return card("Parity", "bad", "failed", ", ".join(failed) or "a generation failed")
    largest = numbers.percent(max((u for u in used if u is not None), default=0.0))
    return card("Parity", "good", "within budget", f"{names}: at most {largest} of the budget")


def _generation(data: Mapping[str, Any]) -> Card | None:
    generation = (data["parity"] or {}).get("generation")
    rows = [r for r in (generation or {}).get("candidates", []) if r["passed"] is not None]
    if not rows:
        return None
    worst = min(rows, key=lambda row: row["equal"])
    state = "good" if all(row["passed"] for row in rows) else "bad"
    value = f"{worst['equal']} of {worst['texts']} equal"
    ties = sum(row["near_ties"] for row in rows)
    detail = f"token for token, {len(rows)} ways of running"
    return card("Generation", state, value, detail + (f"; {ties} near-ties" if ties else ""))


def _fusion(data: Mapping[str, Any]) -> Card | None:
    stages = stages_of(data, "optimize")
    if not stages:
        return None
    totals = _totals(stages, "attention")
    found = sum(totals.values())
    if not found:
        return card("Fusion", "open", "no attention found", "pipeline explain says what was seen")
    state = "bad" if totals["refused"] else "good"
    value = f"{totals['fused']} of {found} attentions"
    if totals["refused"]:
        detail = f"{totals['refused']} refused, with reasons below"
    else:
        detail = f"for {numbers.count(len(stages), 'target')}, each proven numerically"
    norms = sum(_totals(stages, "norm").values())
    fused = _totals(stages, "norm")["fused"]
    return card("Fusion", state, value, detail + (f"; {fused} of {norms} norms" if norms else ""))


def _totals(stages: Sequence[Mapping[str, Any]], construct: str) -> dict[str, int]:
    """Return how many sites of a construct were fused, left plain and refused."""
    totals = {"fused": 0, "plain": 0, "refused": 0}
    for stage in stages:
        for part in stage["facts"]["parts"].values():
            counts = part["counts"].get(construct, {})
            for name in totals:
                totals[name] += counts.get(name, 0)
    return totals


def _speed(data: Mapping[str, Any]) -> Card | None:
    result = data["perf"]
    if result is None:
        return card("Speed", "open", "not measured", "pipeline perf DIR measures")
    ours = [row for row in result["overall"] if row["contender"] not in ("eager", "exported")]
    rows = ours or result["overall"]
    if not rows:
        return None
    first = rows[0]["baseline"]
    best = max((row for row in rows if row["baseline"] == first), key=lambda row: row["value"])
    mine = [row for row in rows if row["contender"] == best["contender"]]
    beaten = any(row["slower"] > row["faster"] for row in mine)
    state = "bad" if beaten or not result["passed"] else "good"
    if not any(row["faster"] or row["slower"] for row in mine):
        state = "info"
    busy = any("busy" in warning for warning in result["warnings"])
    detail = ", ".join(_ratio(row) for row in mine if row is not best)
    tally = f"faster in {best['faster']} of {best['jobs']} settings"
    text = f"{best['contender']} against {first}, {tally}" + (f"; {detail}" if detail else "")
    if busy:
        seen = f"{numbers.times(best['value'])}, but the machine was busy; measure again: "
        return card("Speed", "open", "unsettled", seen + text)
    return card("Speed", state, numbers.times(best["value"]), text)


def _ratio(row: Mapping[str, Any]) -> str:
    """Return a further baseline's ratio, e.g. `1.33x exported`."""
    return f"{numbers.times(row['value'])} {row['baseline']}"


def _claims(data: Mapping[str, Any]) -> Card | None:
    claims = data.get("claims") or []
    if not claims:
        return None
    tally = {s: sum(c["state"] == s for c in claims) for s in ("kept", "broken", "unchecked")}
    state = "bad" if tally["broken"] else "good" if tally["kept"] else "open"
    detail = f"{tally['broken']} broken, {tally['unchecked']} could not be checked here"
    return card("Claims", state, f"{tally['kept']} of {len(claims)} kept", detail)


def _engines(data: Mapping[str, Any]) -> Card | None:
    stages = stages_of(data, "build-engine")
    if not stages:
        return None
    plans = [part for stage in stages for part in stage["facts"]["parts"].values()]
    targets = ", ".join(dict.fromkeys(t for plan in plans for t in plan.get("targets", [])))
    proven = [m for found in data["elsewhere"] for m in found["measured"] if m["ran"]]
    ran = any(
        c["name"].startswith("engine") and not c["skipped"]
        for part in (data["parity"] or {"parts": {}})["parts"].values()
        for c in part["candidates"]
    )
    detail = f"for {targets}"
    if any(m["right"] is False for m in proven):
        return card("Engines", "bad", "wrong on a GPU", f"{detail}; see on other machines")
    if proven or ran:
        where = "here" if ran else "on another machine"
        return card("Engines", "good", f"{len(plans)} built", f"{detail}; right {where}")
    return card("Engines", "open", f"{len(plans)} built", f"{detail}; not run here, no GPU")


def random_weights(data: Mapping[str, Any]) -> bool:
    """Return whether the model's weights are random, which every reader must know first."""
    export = stage_of(data, "export")
    return bool(export and export["facts"].get("model", {}).get("random_weights"))
