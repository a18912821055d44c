"""Engines: what was built, for which GPUs, and what other machines measured with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report import numbers
from pipeline.report.collect import stages_of
from pipeline.report.document import (
    Badge,
    Block,
    Cell,
    Code,
    Details,
    Section,
    Table,
    Text,
)


def engines_section(data: Mapping[str, Any]) -> Section | None:
    """Return the section, None where no engine was built."""
    stages = stages_of(data, "build-engine")
    if not stages:
        return None
    plans = [
        (stage["stage"].partition(".")[2], name, part)
        for stage in stages
        for name, part in stage["facts"]["parts"].items()
    ]
    rows: list[list[Cell]] = [
        [
            Code(variant),
            part,
            f"{plan.get('flavour', '')} {plan.get('version', '')}".strip(),
            ", ".join(plan.get("targets", [])),
            numbers.size(plan.get("plan_bytes")),
            numbers.seconds(plan.get("build_seconds")),
            str(plan.get("layers", "")),
            _attention(plan),
        ]
        for variant, part, plan in plans
    ]
    columns = (
        "variant", "part", "built with", "for", ">plan", ">build", ">layers", "attention",
    )  # fmt: skip
    blocks: list[Block] = [Table(columns, rows, stack=True)]
    blocks += [
        Details(f"{variant} {part}: optimization profiles", [_profiles(plan)])
        for variant, part, plan in plans
        if plan.get("profiles")
    ]
    lead = "Plans built from the graphs above, and what the builder said of them."
    return Section("engines", "Engines", lead, blocks)


def elsewhere_section(data: Mapping[str, Any]) -> Section | None:
    """Return what bundles measured on other machines, None where nothing came back."""
    if not data["elsewhere"]:
        return None
    blocks: list[Block] = []
    for found in data["elsewhere"]:
        about = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
        blocks.append(Text(f"{found['when']}: {about}"))
        if found["changed"]:
            changed = ", ".join(found["changed"])
            blocks.append(Text(f"Packed before {changed} was made again: pack anew.", "open"))
        rows = [_measured(row) for row in found["measured"]]
        columns = ("candidate", "precision", "verdict", "ran on", ">cases", "median per case")
        blocks.append(Table(columns, rows, stack=True))
    lead = "Measured by bundles of `pipeline pack` on other machines, merged into this report."
    return Section("elsewhere", "On other machines", lead, blocks)


def _measured(row: Mapping[str, Any]) -> list[Cell]:
    verdict = Badge("right", "good") if row["right"] else Badge("wrong", "bad")
    times = [f"{case}: {numbers.milliseconds(ms)}" for case, ms in row["median_ms"].items()]
    return [
        Code(row["name"]),
        row["precision"],
        verdict if row["ran"] else Badge("not run", "open"),
        row["device"],
        str(len(row["cases"])) if row["ran"] else "",
        "; ".join(times),
    ]


def _attention(plan: Mapping[str, Any]) -> Cell:
    rows = plan.get("attention") or []
    if not rows:
        return ""
    dedicated = sum(bool(row.get("dedicated")) for row in rows)
    state = "good" if dedicated == len(rows) else "open"
    return Badge(f"{dedicated} of {len(rows)} dedicated kernels", state)  # type: ignore[arg-type]


def _profiles(plan: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = [
        [str(number), Code(name), *("×".join(map(str, shape)) for shape in shapes)]
        for number, profile in enumerate(plan["profiles"])
        for name, shapes in profile.items()
    ]
    return Table((">profile", "input", ">min", ">opt", ">max"), rows)
