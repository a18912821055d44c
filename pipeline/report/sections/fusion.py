"""Fusion: every site of every construct, fused by what and how it was proven, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.records.optimize import OptimizeRecord, ProofRecord, SiteRecord, SiteState
from pipeline.records.report import ReportData
from pipeline.report import numbers
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

STATES: dict[SiteState, State] = {"fused": "good", "plain": "info", "refused": "bad"}


def fusion_section(data: ReportData) -> Section | None:
    """Return the section, None where nothing was optimized."""
    if not data.optimized:
        return None
    lead = (
        "Every candidate the recognisers found. A fused site was proven on inputs chosen to break "
        "it, against the region it replaces in float64; a refusal names the first condition that "
        "did not hold; plain means recognised, and left alone because plain is faster there."
    )
    blocks: list[Block] = [_counts(data.optimized)]
    builds = _builds(data.optimized)
    if builds.rows:
        blocks.append(builds)
    for variant, record in data.optimized.items():
        placed = [(name, site) for name, part in record.parts.items() for site in part.sites]
        sites = [site for _part, site in placed]
        blocks.append(Heading(variant))
        blocks.append(_groups(sites))
        if any(site.state == "refused" for site in sites):
            blocks.append(_refused(sites))
        title = f"{variant}: all {numbers.count(len(sites), 'site')}"
        blocks.append(Details(title, [_sites(placed)]))
    return Section("fusion", "Fusion", lead, blocks)


def _counts(optimized: Mapping[str, OptimizeRecord]) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(variant),
            name,
            construct,
            _count(counts.fused, "fused"),
            _count(counts.plain, "plain"),
            _count(counts.refused, "refused"),
            f"{part.nodes.before} → {part.nodes.after}",
        ]
        for variant, record in optimized.items()
        for name, part in record.parts.items()
        for construct, counts in part.counts.items()
    ]
    columns = ("target", "part", "construct", "fused", "plain", "refused", ">nodes of the graph")
    return Table(columns, rows, stack=True)


def _builds(optimized: Mapping[str, OptimizeRecord]) -> Table:
    """Return what an engine builder said of each graph that it was asked about."""
    rows: list[list[Cell]] = []
    for variant, record in optimized.items():
        for name, part in record.parts.items():
            if part.build is None:
                continue
            told = part.build
            state = Badge("builds", "good") if not told.reason else Badge("does not build", "bad")
            before = "nor before fusing" if told.before else ""
            why = "; ".join(filter(None, (told.reason, before)))
            back = numbers.count(told.taken_back, "site") if told.taken_back else ""
            rows.append([Code(variant), name, state, why, back, told.builder])
    columns = ("target", "part", "engine", "why not", "taken back", "builder")
    return Table(columns, rows, stack=True)


def _count(value: int, state: SiteState) -> Cell:
    return Badge(f"{value} {state}", STATES[state]) if value else ""


def _groups(sites: Sequence[SiteRecord]) -> Table:
    """Return sites of one construct, form and fate as one row."""
    groups: dict[tuple[str, str, str, SiteState], list[SiteRecord]] = {}
    for site in sites:
        key = (site.construct, site.form, site.lowering, site.state)
        groups.setdefault(key, []).append(site)
    rows: list[list[Cell]] = []
    for (construct, form, lowering, state), members in groups.items():
        proofs = [site.proof for site in members if site.proof is not None]
        worst = max(proofs, key=_share, default=None)
        rows.append(
            [
                construct,
                form,
                Badge(f"{len(members)} {state}", STATES[state]),
                Code(lowering) if lowering else "",
                numbers.number(worst.error) if worst else "",
                numbers.number(worst.allowed) if worst else "",
                str(sum(proof.runs for proof in _distinct(proofs))) if proofs else "",
            ]
        )
    columns = (
        "construct", "form", "sites", "fused by", ">largest proof error", ">allowed there",
        ">proof runs",
    )  # fmt: skip
    return Table(columns, rows, stack=True)


def _share(proof: ProofRecord) -> float:
    return proof.error / proof.allowed if proof.allowed else 0.0


def _distinct(proofs: Sequence[ProofRecord]) -> list[ProofRecord]:
    """Return each proof once; sites of one structure share one."""
    return list({(p.digest, p.runs, p.error): p for p in proofs}.values())


def _refused(sites: Sequence[SiteRecord]) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(site.path or site.anchor),
            site.refusal.nearest,
            f"{site.refusal.step} of {site.refusal.steps}",
            site.refusal.reason,
            site.refusal.remedy,
        ]
        for site in sites
        if site.refusal is not None and site.state == "refused"
    ]
    columns = ("refused at", "nearest form", ">conditions held", "first that did not", "what to do")
    return Table(columns, rows, stack=True)


def _sites(placed: Sequence[tuple[str, SiteRecord]]) -> Table:
    rows: list[list[Cell]] = []
    for part, site in placed:
        proof, why_not = site.proof, site.refusal.reason if site.refusal is not None else ""
        rows.append(
            [
                part,
                Code(site.path or site.anchor),
                site.construct,
                Badge(site.state, STATES[site.state]),
                Code(site.lowering) if site.lowering else why_not,
                numbers.number(proof.error) if proof else "",
                numbers.number(proof.allowed) if proof else "",
                str(proof.runs) if proof else "",
                proof.engine if proof else "",
                "; ".join(proof.inputs) if proof else "",
            ]
        )
    columns = (
        "part", "module", "construct", "state", "by, or why not", ">proof error", ">allowed",
        ">runs", "proven in", "on",
    )  # fmt: skip
    return Table(columns, rows)
