"""Puts the page together: title, what must be said first, verdicts, sections."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pipeline.report import numbers
from pipeline.report.collect import stage_of
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


def build_page(data: Mapping[str, Any], version: str) -> Page:
    """Return the page for collected data."""
    made = [section(data) for section in SECTIONS]
    sections: list[Section] = [section for section in made if section is not None]
    export = stage_of(data, "export")
    now = datetime.datetime.now(datetime.UTC)
    return Page(
        title=_title(data, export),
        facts=_facts(data, export),
        notes=[note_random_weights()] if random_weights(data) else [],
        cards=cards(data),
        sections=sections,
        written=now.strftime("%Y-%m-%d %H:%M UTC"),
        version=version,
    )


def _title(data: Mapping[str, Any], export: Mapping[str, Any] | None) -> str:
    if export is None:
        return str(data["name"])
    return str(export["facts"].get("model", {}).get("source") or data["name"])


def _facts(data: Mapping[str, Any], export: Mapping[str, Any] | None) -> list[str]:
    machine = data["machine"]
    found = []
    if export is not None:
        facts = export["facts"]
        parts = ", ".join(facts["parts"])
        weights = (facts.get("weights") or {}).get("bytes")
        found.append(f"{facts['task']}, {parts}")
        found += [f"{numbers.size(weights)} of weights"] if weights else []
        found.append(f"opset {facts['opset']}, {facts.get('exporter', '')} exporter")
    cpu = str(machine["cpu"]).replace("(R)", "").replace("(TM)", "").replace(" CPU", "")
    found.append(f"{cpu}, {numbers.count(int(machine['cores']), 'core')}")
    return found
