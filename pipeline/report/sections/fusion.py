"""Fusion: every site of every construct, fused by what and how it was proven, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report import numbers
from pipeline.report.collect import stages_of
from pipeline.report.document import (
    Badge,
    Block,
    Cell,
    Code,
    Details,
    Heading,
    Section,
    State,
    Table,
)

STATES: dict[str, State] = {"fused": "good", "plain": "info", "refused": "bad"}
Sites = Sequence[Mapping[str, Any]]


def fusion_section(data: Mapping[str, Any]) -> Section | None:
    """Return the section, None where nothing was optimized."""
    stages = stages_of(data, "optimize")
    if not stages:
        return None
    lead = (
        "Every candidate the recognisers found. A fused site was proven on inputs chosen to break "
        "it, against the region it replaces in float64; a refusal names the first condition that "
        "did not hold; plain means recognised, and left alone because plain is faster there."
    )
    blocks: list[Block] = [_counts(stages)]
    for stage in stages:
        variant = stage["stage"].partition(".")[2]
        sites = [
            {**site, "part": name}
            for name, part in stage["facts"]["parts"].items()
            for site in part["sites"]
        ]
        blocks.append(Heading(variant))
        blocks.append(_groups(sites))
        refused = [site for site in sites if site["state"] == "refused"]
        if refused:
            blocks.append(_refused(refused))
        title = f"{variant}: all {numbers.count(len(sites), 'site')}"
        blocks.append(Details(title, [_sites(sites)]))
    return Section("fusion", "Fusion", lead, blocks)


def _counts(stages: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Cell]] = []
    for stage in stages:
        for name, part in stage["facts"]["parts"].items():
            nodes = part.get("nodes") or {}
            for construct, counts in part["counts"].items():
                rows.append(
                    [
                        Code(stage["stage"].partition(".")[2]),
                        name,
                        construct,
                        *(_count(counts.get(state, 0), state) for state in STATES),
                        f"{nodes.get('before', '?')} → {nodes.get('after', '?')}",
                    ]
                )
    columns = ("target", "part", "construct", "fused", "plain", "refused", ">nodes of the graph")
    return Table(columns, rows, stack=True)


def _count(value: int, state: str) -> Cell:
    return Badge(f"{value} {state}", STATES[state]) if value else ""


def _groups(sites: Sites) -> Table:
    """Return sites of one construct, form and fate as one row."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for site in sites:
        key = tuple(str(site.get(k, "")) for k in ("construct", "form", "lowering", "state"))
        groups.setdefault(key, []).append(site)
    rows: list[list[Cell]] = []
    for (construct, form, lowering, state), members in groups.items():
        proofs = [site["proof"] for site in members if site.get("proof")]
        worst = max(proofs, key=_share, default=None)
        rows.append(
            [
                construct,
                form,
                Badge(f"{len(members)} {state}", STATES.get(state, "info")),
                Code(lowering) if lowering else "",
                numbers.number(worst["error"]) if worst else "",
                numbers.number(worst["allowed"]) if worst else "",
                str(sum(proof["runs"] for proof in _distinct(proofs))) if proofs else "",
            ]
        )
    columns = (
        "construct", "form", "sites", "fused by", ">largest proof error", ">allowed there",
        ">proof runs",
    )  # fmt: skip
    return Table(columns, rows, stack=True)


def _share(proof: Mapping[str, Any]) -> float:
    allowed = float(proof["allowed"])
    return float(proof["error"]) / allowed if allowed else 0.0


def _distinct(proofs: Sites) -> list[Mapping[str, Any]]:
    """Return each proof once; sites of one structure share one."""
    return list({(str(p["digest"]), p["runs"], p["error"]): p for p in proofs}.values())


def _refused(sites: Sites) -> Table:
    rows: list[list[Cell]] = []
    for site in sites:
        refusal = site.get("refusal") or {}
        rows.append(
            [
                Code(site["path"] or site["anchor"]),
                str(refusal.get("nearest", "")),
                f"{refusal.get('step', '?')} of {refusal.get('steps', '?')}",
                str(refusal.get("reason", "")),
                str(refusal.get("remedy", "")),
            ]
        )
    columns = ("refused at", "nearest form", ">conditions held", "first that did not", "what to do")
    return Table(columns, rows, stack=True)


def _sites(sites: Sites) -> Table:
    rows: list[list[Cell]] = []
    for site in sites:
        proof, refusal = site.get("proof"), site.get("refusal") or {}
        rows.append(
            [
                site["part"],
                Code(site["path"] or site["anchor"]),
                site["construct"],
                Badge(site["state"], STATES.get(site["state"], "info")),
                Code(site["lowering"]) if site["lowering"] else str(refusal.get("reason", "")),
                numbers.number(proof["error"]) if proof else "",
                numbers.number(proof["allowed"]) if proof else "",
                str(proof["runs"]) if proof else "",
                str(proof["engine"]) if proof else "",
                "; ".join(proof.get("inputs", ())) if proof else "",
            ]
        )
    columns = (
        "part", "module", "construct", "state", "by, or why not", ">proof error", ">allowed",
        ">runs", "proven in", "on",
    )  # fmt: skip
    return Table(columns, rows)
