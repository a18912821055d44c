"""What became of the sites of a graph, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STAYS = "what was refused stays as it was: plain nodes, which are right and only slower"

IN_PLACE = (
    "    {} caches are written in place: runners here do; your own program binds past and present "
    "to one buffer, as .session.json says (or --disable fuse_attention_in_place)"
)


def count_lines(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one line per part and construct: how many fused, refused, left plain."""
    lines = []
    for name, part in parts.items():
        nodes = part.get("nodes", {})
        if nodes:
            lines.append(f"  {name}: {nodes['before']} nodes -> {nodes['after']}")
        for construct, counts in part.get("counts", {}).items():
            told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
            lines.append(f"    {construct:<11} {told or 'none found'}")
        if pairs := part.get("session", {}).get("in_place"):
            lines.append(IN_PLACE.format(len(pairs)))
    return lines


def explain_lines(found: Mapping[str, Any]) -> list[str]:
    """Return every site with its proof or its refusal, then the counts."""
    lines = [f"target {found['target']}"]
    for name, part in found["parts"].items():
        lines.append(f"{name}:")
        for site, others in _alike(part["sites"]):
            lines += [f"  {line}" for line in _site_lines(site, others)]
        lines += [f"  layer    {x['path']}: {x['form']}" for x in part.get("layers", ())]
    lines += count_lines(found["parts"])
    sites = [site for part in found["parts"].values() for site in part["sites"]]
    return [*lines, STAYS] if any(site["state"] == "refused" for site in sites) else lines


def lowering_lines(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Return each lowering with the construct it lowers, its exactness and its source."""
    return [
        line
        for item in found
        for line in (
            f"{item['name']}  ({item['construct']}, {item['exact']})",
            f"    {item['source']}",
        )
    ]


def _alike(sites: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """Return each site with the places of those not fused for the very same reason."""
    found: dict[object, tuple[Mapping[str, Any], list[str]]] = {}
    for number, site in enumerate(sites):
        refusal = site.get("refusal")
        key: object = number
        if refusal:
            said = (v for k, v in sorted(refusal.items()) if k != "node")
            key = (site["construct"], site["state"], *said)
        if key in found:
            found[key][1].append(str(site["path"] or site["anchor"]))
        else:
            found[key] = (site, [])
    return list(found.values())


def _site_lines(site: Mapping[str, Any], others: Sequence[str]) -> list[str]:
    """Return one site: where, what became of it, and the evidence; and others like it."""
    place = site["path"] or site["anchor"]
    head = f"{site['state']:<8} {site['construct']:<10} {place}"
    if site["state"] == "fused":
        return [f"{head}  by {site['lowering']} ({site['form']}){_proof(site)}"]
    refusal = site.get("refusal")
    if not refusal:
        return [head]
    lines = [
        head,
        f"    nearest: {refusal['nearest']}, step {refusal['step']} of {refusal['steps']}"
        + (f": {refusal['asked']}" if refusal.get("asked") else ""),
        f"    broke:   {refusal['reason']}",
    ]
    for label, text in (("at", refusal["node"]), ("do", refusal["remedy"])):
        if text:
            lines.append(f"    {label + ':':<8} {text}")
    if others:
        lines.append(f"    also:    {len(others)} more like it: {', '.join(others)}")
    return lines


def _proof(site: Mapping[str, Any]) -> str:
    """Return the certificate's figure, and on how many activations a full proof stands."""
    proof = site.get("proof") or {}
    error = proof.get("error", proof.get("worst"))
    if not isinstance(error, (int, float)):
        return ""
    text = f", proof error {error:.2g}"
    if proof.get("lacking"):
        return f"{text}, not on activations: {proof['lacking']}"
    real = proof.get("inputs", ())[1:]
    return f"{text}, also on activations of {'; '.join(real)}" if real else text
