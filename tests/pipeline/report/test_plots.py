import re
import xml.etree.ElementTree as ET

import pytest

from pipeline.records.perf import ConstructLimit, PeaksRecord
from pipeline.report import plots
from pipeline.report.figure import INK, MUTED, SERIES
from tests.pipeline.records.judged import latency, ratio

EDGES = [-8, -7, -6, -5]
RATIOS = [
    ("a", ratio(value=1.4, low=1.3, high=1.5)),
    ("b", ratio(value=1.0, low=0.9, high=None, verdict="no difference")),
]
BARS = {"x": latency(2.0, min=1.9, p95=900.0), "y": latency(1.0, min=0.9, p95=1.1)}
PEAKS = PeaksRecord(flops=5e10, bytes=2e10, precision="fp32", working_set_bytes=4096)
CONSTRUCTS = [
    ConstructLimit(
        construct=name, flops=flops, bytes=1e7, limit_ms=1.0, bound="memory", measured_ms=2.0
    )
    for name, flops in (("linear", 1e8), ("layout", 0.0))
]
DRAWN = {
    "histogram": plots.error_histogram(EDGES, [1, 5, 1], {"exported": [2, 4, 1]}),
    "histogram-empty": plots.error_histogram(EDGES, [], {"exported": [0, 0, 0]}),
    "latency": plots.latency_bars(BARS),
    "forest": plots.ratio_forest(RATIOS),
    "forest-wide": plots.ratio_forest([("a", ratio(high=900.0))]),
    "curves": plots.latency_curves({"x": [(1, 1.0), (8, 4.0)]}, "batch"),
    "roofline": plots.roofline(CONSTRUCTS, PEAKS),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_plot_is_svg_in_the_pages_colours(name):
    svg = DRAWN[name]
    ET.fromstring(svg)
    assert "var(--ink)" in svg or "var(--muted)" in svg
    assert not any(color in svg for color in (INK, MUTED, *SERIES)), "a stand-in was left"
    assert "font-family" not in svg
    assert 'role="img" aria-label="' in svg
    assert re.search(r'<svg [^>]*viewBox="', svg)
    assert not re.search(r'<svg [^>]*width="', svg), "the page decides the width"


def test_plots_are_the_same_every_time():
    assert plots.latency_bars(BARS) == DRAWN["latency"]


def test_text_stays_text():
    assert ">exported<" in DRAWN["histogram"]
    assert "1e-6" in DRAWN["histogram"]
