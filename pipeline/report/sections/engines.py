"""Engines: what was built, for which GPUs, and what other machines measured with it."""

from __future__ import annotations

from pipeline.records.engine import EnginePart
from pipeline.records.report import MeasuredElsewhere, ReportData
from pipeline.report import numbers
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


def engines_section(data: ReportData) -> Section | None:
    """Return the section, None where no engine was built."""
    plans = [
        (variant, name, part)
        for variant, record in data.engines.items()
        for name, part in record.parts.items()
    ]
    if not data.engines:
        return None
    rows: list[list[Cell]] = [
        [
            Code(variant),
            part,
            f"{plan.flavour} {plan.version}",
            ", ".join(plan.targets),
            numbers.size(plan.plan_bytes),
            numbers.seconds(plan.build_seconds),
            str(plan.layers),
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
        if plan.profiles
    ]
    lead = "Plans built from the graphs above, and what the builder said of them."
    return Section("engines", "Engines", lead, blocks)


def elsewhere_section(data: ReportData) -> Section | None:
    """Return what bundles measured on other machines, None where nothing came back."""
    if not data.elsewhere:
        return None
    blocks: list[Block] = []
    for found in data.elsewhere:
        about = ", ".join(f"{name} {value}" for name, value in found.machine.items())
        blocks.append(Text(f"{found.when}: {about}"))
        if found.changed:
            changed = ", ".join(found.changed)
            blocks.append(Text(f"Packed before {changed} was made again: pack anew.", "open"))
        rows = [_measured(row) for row in found.measured]
        columns = ("candidate", "precision", "verdict", "ran on", ">cases", "median per case")
        blocks.append(Table(columns, rows, stack=True))
    lead = "Measured by bundles of `pipeline pack` on other machines, merged into this report."
    return Section("elsewhere", "On other machines", lead, blocks)


def _measured(row: MeasuredElsewhere) -> list[Cell]:
    verdict = Badge("right", "good") if row.right else Badge("wrong", "bad")
    times = [f"{case}: {numbers.milliseconds(ms)}" for case, ms in row.median_ms.items()]
    return [
        Code(row.name),
        row.precision,
        verdict if row.ran else Badge("not run", "open"),
        row.device,
        str(len(row.cases)) if row.ran else "",
        "; ".join(times),
    ]


def _attention(plan: EnginePart) -> Cell:
    rows = plan.attention
    if not rows:
        return ""
    dedicated = sum(row.dedicated is True for row in rows)
    words = f"{dedicated} of {len(rows)} dedicated kernels"
    return Badge(words, "good" if dedicated == len(rows) else "open")


def _profiles(plan: EnginePart) -> Table:
    rows: list[list[Cell]] = [
        [str(number), Code(name), *("×".join(map(str, shape)) for shape in shapes)]
        for number, profile in enumerate(plan.profiles)
        for name, shapes in profile.items()
    ]
    return Table((">profile", "input", ">min", ">opt", ">max"), rows)
