"""The roofline on the page: totals, constructs, and a machine that was not quiet."""

from pipeline.report.sections.roofline import roofline_section
from tests.pipeline.report.cells import captions, table_with, texts, told


def test_the_limit_and_how_near_it_is(data):
    section = roofline_section(told(data))
    assert "50.0 GFLOP/s in a fp32 matrix product, 20.0 GB/s in a copy over 1.00 MB" in section.lead
    (row,) = table_with(section, "measured")
    assert row["limit"] == "400 µs"
    assert row["measured"] == "1.00 ms"
    assert row["of the limit"].startswith("40")
    assert texts(section) == []


def test_a_share_above_the_limit_is_explained(data):
    data["perf"]["roofline"][0]["share"] = 1.2
    ((text, state),) = texts(roofline_section(told(data)))
    assert text.startswith("Above 100 %")
    assert state == "open"


def test_constructs_share_the_time_that_was_profiled(data):
    linear, layout = table_with(roofline_section(told(data)), "share of time")
    assert linear["share of time"].startswith("100")
    assert linear["of the limit"].startswith("50")
    assert (layout["profiled"], layout["share of time"], layout["of the limit"]) == ("–",) * 3


def test_plots_are_of_the_last_contender_and_at_most_four(data):
    rows = data["perf"]["roofline"]
    first = {**rows[0], "contender": "exported"}
    data["perf"]["roofline"] = [first, *({**rows[0], "job": f"job {i}"} for i in range(6))]
    assert captions(roofline_section(told(data))) == [f"ort-cpu-fp32, job {i}." for i in range(4)]


def test_a_measurement_without_counts_has_no_section(data):
    data["perf"]["roofline"] = []
    assert roofline_section(told(data)) is None
    data["perf"] = None
    assert roofline_section(told(data)) is None
