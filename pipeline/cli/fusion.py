"""What became of the sites of a graph, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


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
    return lines


def explain_lines(found: Mapping[str, Any]) -> list[str]:
    """Return every site with its proof or its refusal, then the counts."""
    lines = [f"target {found['target']}"]
    for name, part in found["parts"].items():
        lines.append(f"{name}:")
        for site in part["sites"]:
            lines += [f"  {line}" for line in _site_lines(site)]
        lines += [f"  layer    {x['path']}: {x['form']}" for x in part.get("layers", ())]
    return [*lines, *count_lines(found["parts"])]


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


def _site_lines(site: Mapping[str, Any]) -> list[str]:
    """Return one site: where, what became of it, and the evidence."""
    place = site["path"] or site["anchor"]
    head = f"{site['state']:<8} {site['construct']:<10} {place}"
    if site["state"] == "fused":
        return [f"{head}  by {site['lowering']} ({site['form']}){_proof(site)}"]
    refusal = site.get("refusal")
    if not refusal:
        return [head]
    lines = [
        head,
        f"    nearest: {refusal['nearest']}, step {refusal['step']} of {refusal['steps']}",
        f"    broke:   {refusal['reason']}" + (f"  [{refusal['node']}]" if refusal["node"] else ""),
    ]
    if refusal["remedy"]:
        lines.append(f"    do:      {refusal['remedy']}")
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
