"""Puts the page together: title, what must be said first, verdicts, sections."""

from __future__ import annotations

import datetime

from pipeline.records.report import ReportData
from pipeline.report import numbers
from pipeline.report.document import Section
from pipeline.report.render import Page
from pipeline.report.sections.claims import claims_section
from pipeline.report.sections.engines import elsewhere_section, engines_section
from pipeline.report.sections.fusion import fusion_section
from pipeline.report.sections.parity import parity_section
from pipeline.report.sections.perf import perf_section
from pipeline.report.sections.roofline import roofline_section
from pipeline.report.sections.run import note_random_weights, run_section
from pipeline.report.verdicts import cards, random_weights

SECTIONS = (
    run_section,
    claims_section,  # promises come before the evidence for them
    parity_section,
    perf_section,
    fusion_section,
    roofline_section,
    engines_section,
    elsewhere_section,
)


def build_page(data: ReportData, version: str) -> Page:
    """Return the page for collected data."""
    made = [section(data) for section in SECTIONS]
    sections: list[Section] = [section for section in made if section is not None]
    now = datetime.datetime.now(datetime.UTC)
    return Page(
        title=_title(data),
        facts=_facts(data),
        notes=[note_random_weights()] if random_weights(data) else [],
        cards=cards(data),
        sections=sections,
        written=now.strftime("%Y-%m-%d %H:%M UTC"),
        version=version,
    )


def _title(data: ReportData) -> str:
    return (data.export.model.source if data.export is not None else "") or data.name


def _facts(data: ReportData) -> list[str]:
    machine = data.machine
    found = []
    if (export := data.export) is not None:
        weights = export.weights.bytes
        found.append(f"{export.task}, {', '.join(export.parts)}")
        found += [f"{numbers.size(weights)} of weights"] if weights else []
        found.append(f"opset {export.opset}, {export.exporter} exporter")
    cpu = machine.cpu.replace("(R)", "").replace("(TM)", "").replace(" CPU", "")
    found.append(f"{cpu}, {numbers.count(machine.cores, 'core')}")
    return found
