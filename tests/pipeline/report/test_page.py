import re
from html.parser import HTMLParser

import pytest

from pipeline.report.document import Details, Table
from pipeline.report.page import build_page
from pipeline.report.render import to_html
from pipeline.report.sections.claims import claims_section
from pipeline.report.sections.engines import elsewhere_section, engines_section
from pipeline.report.sections.fusion import fusion_section
from pipeline.report.sections.parity import parity_section
from pipeline.report.sections.perf import perf_section
from pipeline.report.sections.roofline import roofline_section
from pipeline.report.sections.run import run_section
from tests.pipeline.report.cells import told

VOID = {"meta", "br", "wbr", "img", "input", "link", "hr"}
SHAPES = {"path", "use", "rect", "circle", "line", "polyline"}


class Balance(HTMLParser):
    """Notes tags that are not closed in order, and everything a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.stack, self.wrong, self.fetched = [], [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data") and not (value or "").startswith("#"):
                self.fetched.append((tag, value))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append((tag, self.getpos()))


@pytest.fixture
def page(data):
    return build_page(told(data), "0.1")


def test_the_page_is_well_formed_and_loads_nothing(page):
    html = to_html(page)
    checked = Balance()
    checked.feed(html)
    assert checked.wrong == []
    assert checked.stack == []
    assert checked.fetched == []
    assert not re.search(r"url\((?!#)|@import|<script|<link", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_verdicts_come_before_everything_else(page):
    html = to_html(page)
    order = [html.index(f">{title}<") for title in ("Parity", "What was run", "Claims", "Speed")]
    assert html.index('class="card bad"') < html.index("<nav")
    assert order[0] < order[1]
    assert "Random weights" in html[: html.index('class="cards"')]


def test_text_from_outside_is_escaped(data):
    data["parity"]["generation"]["samples"][0]["output"] = "<script>alert(1)</script>"
    data["name"] = "<b>"
    html = to_html(build_page(told(data), "0.1"))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_no_number_without_its_kind(page):
    """Every row has one cell per column: a missing cell would shift values under wrong names."""

    def tables(blocks):
        for block in blocks:
            if isinstance(block, Table):
                yield block
            elif isinstance(block, Details):
                yield from tables(block.blocks)

    seen = 0
    for section in page.sections:
        for table in tables(section.blocks):
            seen += 1
            assert table.rows, f"an empty table in {section.title}"
            assert {len(row) for row in table.rows} == {len(table.columns)}, section.title
    assert seen > 15


@pytest.mark.parametrize(
    ("build", "drop"),
    [
        (claims_section, "claims"),
        (parity_section, "parity"),
        (perf_section, "perf"),
        (roofline_section, "perf"),
        (fusion_section, "stages"),
        (engines_section, "stages"),
        (elsewhere_section, "elsewhere"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_section_without_data_is_left_out(data, build, drop):
    data[drop] = [] if isinstance(data[drop], list) else None
    assert build(told(data)) is None


def test_refusals_say_why_and_what_to_do(data):
    text = str(fusion_section(told(data)))
    assert "3 of 9" in text
    assert "fold it" in text


def test_an_unresolved_ratio_does_not_claim_equality(data):
    assert "not resolved" in str(perf_section(told(data)))


def test_a_failed_gate_and_a_departure_are_shown(data):
    data["perf"]["gate"] = ["ort-cpu-fp32 on generation: 0.98 times eager at worst"]
    data["parity"]["bisect"] = [
        {
            "part": "model",
            "candidate": "ort-cpu-fp32",
            "stage": "graph",
            "compared": 3,
            "usage": None,
            "tensor": "t7",
        }
    ]
    data["parity"]["rule"] = {"absolute": 0.1, "relative": 0.0}
    page = build_page(told(data), "0.1")
    html = to_html(page)
    assert "0.98 times eager at worst" in html
    assert "t7" in html
    assert "explicit tolerance" in html


def test_what_other_machines_measured(data):
    data["elsewhere"] = [
        {
            "when": "2026-01-01", "machine": {"gpu": "H200"}, "changed": ["export"],
            "file": "r.json",
            "measured": [
                {"name": "m.engine", "precision": "fp16", "ran": True, "right": True,
                 "device": "H200", "cases": [], "median_ms": {"model-0": 0.5}, "latency_ms": {}},
                {"name": "n.engine", "precision": "fp16", "ran": False, "right": None,
                 "device": "no such target", "cases": [], "median_ms": {}, "latency_ms": {}},
            ],
        }
    ]  # fmt: skip
    text = str(elsewhere_section(told(data)))
    assert "500 µs" in text
    assert "pack anew" in text


def test_the_run_section_lists_stages(data):
    table = run_section(told(data)).blocks[0]
    assert [row[0].text for row in table.rows] == [stage["stage"] for stage in data["stages"]]
