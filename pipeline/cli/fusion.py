"""What became of the sites of a graph, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.records.explain import ExplainRecord, LoweringRecord
from pipeline.records.optimize import BuildCheckRecord, GraphRecord, ProofRecord, SiteRecord

STAYS = "what was refused stays as it was: plain nodes, which are right and only slower"

TOLD_S = 1.0  # proofs that take less are not worth a word

IN_PLACE = (
    "    {} caches are written in place: runners here do; your own program binds past and present "
    "to one buffer, as .session.json says (or --disable fuse_attention_in_place)"
)


def count_lines(parts: Mapping[str, GraphRecord]) -> list[str]:
    """Return one line per part and construct: how many fused, refused, left plain."""
    lines = []
    for name, part in parts.items():
        lines.append(f"  {name}: {part.nodes.before} nodes -> {part.nodes.after}")
        for construct, counts in part.counts.items():
            told = ", ".join(f"{n} {state}" for state, n in vars(counts).items() if n)
            lines.append(f"    {construct:<11} {told or 'none found'}")
        lines += _longest_proof(part)
        if part.build is not None:
            lines.append(f"    {_build_line(part.build)}")
        if part.session.in_place:
            lines.append(IN_PLACE.format(len(part.session.in_place)))
    return lines


def _longest_proof(part: GraphRecord) -> list[str]:
    """Return a line on the time of the proofs, where one of them took long."""
    proven = [(s.proof.seconds, s) for s in part.sites if s.proof is not None]
    whole, (longest, site) = (
        sum(t for t, _ in proven),
        max(proven, key=lambda pair: pair[0], default=(0.0, None)),
    )
    if site is None or longest < TOLD_S:
        return []
    place = f"{site.construct} {site.path or site.anchor}"
    return [f"    proofs took {whole:.1f} s, the longest {longest:.1f} s: {place}"]


def _build_line(build: BuildCheckRecord) -> str:
    """Return what the engine builder said of a graph."""
    tries = f"{build.trials} trial{'s' if build.trials != 1 else ''}, {build.seconds:.1f} s"
    if not build.reason:
        back = f" with {build.taken_back} sites taken back" if build.taken_back else ""
        return f"builds{back} ({build.builder}; {tries})"
    before = ", and did not before fusing either" if build.before else ""
    return f"does not build{before} ({build.builder}; {tries}): {build.reason}"


def explain_lines(found: ExplainRecord) -> list[str]:
    """Return every site with its proof or its refusal, then the counts."""
    lines = [f"target {found.target}"]
    for name, part in found.parts.items():
        lines.append(f"{name}:")
        for site, others in _alike(part.sites):
            lines += [f"  {line}" for line in _site_lines(site, others)]
        lines += [f"  layer    {layer.path}: {layer.form}" for layer in part.layers]
    lines += count_lines(found.parts)
    return [*lines, STAYS] if any(site.state == "refused" for site in found.sites()) else lines


def lowering_lines(found: Sequence[LoweringRecord]) -> list[str]:
    """Return each lowering with the construct it lowers, its exactness and its source."""
    return [
        line
        for item in found
        for line in (
            f"{item.name}  ({item.construct}, {item.exact})",
            f"    {item.source}",
        )
    ]


def _alike(sites: Sequence[SiteRecord]) -> list[tuple[SiteRecord, list[str]]]:
    """Return each site with the places of those not fused for the very same reason."""
    found: dict[object, tuple[SiteRecord, list[str]]] = {}
    for number, site in enumerate(sites):
        key: object = number
        if site.refusal is not None:
            key = (site.construct, site.state, replace(site.refusal, node=""))
        if key in found:
            found[key][1].append(site.path or site.anchor)
        else:
            found[key] = (site, [])
    return list(found.values())


def _site_lines(site: SiteRecord, others: Sequence[str]) -> list[str]:
    """Return one site: where, what became of it, and the evidence; and others like it."""
    head = f"{site.state:<8} {site.construct:<10} {site.path or site.anchor}"
    if site.state == "fused":
        return [f"{head}  by {site.lowering} ({site.form}){_proof(site.proof)}"]
    refusal = site.refusal
    if refusal is None:
        return [head]
    lines = [
        head,
        f"    nearest: {refusal.nearest}, step {refusal.step} of {refusal.steps}"
        + (f": {refusal.asked}" if refusal.asked else ""),
        f"    broke:   {refusal.reason}",
    ]
    for label, text in (("at", refusal.node), ("do", refusal.remedy)):
        if text:
            lines.append(f"    {label + ':':<8} {text}")
    if others:
        lines.append(f"    also:    {len(others)} more like it: {', '.join(others)}")
    return lines


def _proof(proof: ProofRecord | None) -> str:
    """Return the certificate's figure, and on how many activations a full proof stands."""
    if proof is None:
        return ""
    text = f", proof error {proof.error:.2g}"
    if proof.seconds >= TOLD_S:
        text += f" in {proof.seconds:.1f} s"
    if proof.lacking:
        return f"{text}, not on activations: {proof.lacking}"
    real = proof.inputs[1:]
    return f"{text}, also on activations of {'; '.join(real)}" if real else text
