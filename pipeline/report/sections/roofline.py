"""Roofline: how near each graph comes to what this machine can do."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.records.perf import RooflineRow
from pipeline.records.report import ReportData
from pipeline.report import numbers, plots
from pipeline.report.document import (
    Bar,
    Block,
    Cell,
    Code,
    Details,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)


def roofline_section(data: ReportData) -> Section | None:
    """Return the section, None where nothing was counted."""
    rows = data.perf.roofline if data.perf is not None else ()
    if not rows:
        return None
    peaks = rows[0].peaks
    lead = (
        "FLOPs and bytes counted from each graph, against peaks measured in the same run: "
        f"{numbers.rate(peaks.flops, 'FLOP/s')} in a {peaks.precision} matrix product, "
        f"{numbers.rate(peaks.bytes, 'B/s')} in a copy over "
        f"{numbers.size(peaks.working_set_bytes)}."
    )
    blocks: list[Block] = [_totals(rows)]
    if any(row.share > 1 for row in rows):
        blocks.append(
            Text(
                "Above 100 %: the probes ran slower than the model did, so something else used "
                "the machine meanwhile; measure again on a quiet one.",
                "open",
            )
        )
    last = rows[-1].contender
    shown = [row for row in rows if row.contender == last]
    blocks.append(Figures([_figure(row) for row in shown[:4]]))
    blocks.append(Details("Per construct", [_constructs(rows)]))
    return Section("roofline", "Roofline", lead, blocks)


def _totals(rows: Sequence[RooflineRow]) -> Table:
    cells: list[list[Cell]] = [
        [
            Code(row.contender),
            row.job,
            numbers.rate(row.flops, "FLOP"),
            numbers.size(row.bytes),
            numbers.milliseconds(row.limit_ms),
            numbers.milliseconds(row.measured_ms),
            Bar(row.share, numbers.percent(row.share)),
        ]
        for row in rows
    ]
    columns = ("contender", "job", ">work", ">moved", ">limit", ">measured", "of the limit")
    caption = "Limit: the time if every operator ran at the measured peak that binds it."
    return Table(columns, cells, caption, stack=True)


def _figure(row: RooflineRow) -> Figure:
    svg = plots.roofline(row.constructs, row.peaks)
    return Figure(svg, f"{row.contender}, {row.job}.")


def _constructs(rows: Sequence[RooflineRow]) -> Table:
    cells: list[list[Cell]] = []
    for row in rows:
        whole = sum(c.measured_ms or 0.0 for c in row.constructs) or 1.0
        for entry in row.constructs:
            taken = entry.measured_ms
            cells.append(
                [
                    Code(row.contender),
                    row.job,
                    entry.construct,
                    numbers.rate(entry.flops, "FLOP"),
                    numbers.size(entry.bytes),
                    entry.bound,
                    numbers.milliseconds(entry.limit_ms),
                    numbers.milliseconds(taken),
                    numbers.percent(taken / whole if taken is not None else None),
                    numbers.percent(entry.limit_ms / taken if taken else None),
                ]
            )
    columns = (
        "contender", "job", "construct", ">work", ">moved", "bound by", ">limit", ">profiled",
        ">share of time", ">of the limit",
    )  # fmt: skip
    caption = (
        "Profiled: from a session with the runtime's profiler on, which slows small operators."
    )
    return Table(columns, cells, caption)
