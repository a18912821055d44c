"""Plots follow the page: its colours, its fonts, its width."""

import re

import pytest

from pipeline.report.figure import SERIES, label, legend, new_figure, to_svg


@pytest.fixture
def svg():
    figure, axes = new_figure(3.0)
    for index, color in enumerate(SERIES):
        axes.plot([0, 1], [index, index], color=color, label=f"contender {index}")
    label(axes, "batch", "milliseconds")
    legend(axes)
    return to_svg(figure, 'a "title" & <more>')


def test_colours_are_the_pages_variables(svg):
    for index in range(1, len(SERIES) + 1):
        assert f"var(--series-{index})" in svg
    assert {"var(--ink)", "var(--muted)", "var(--line)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", svg), "a stand-in colour is left"


def test_fonts_and_sizes_come_from_the_page(svg):
    assert "font-family" not in svg
    assert not re.search(r"<svg[^>]* (width|height)=", svg)
    assert re.search(r"font-size: \d", svg)
    assert ">milliseconds<" in svg, "text is text, not curves"


def test_it_is_named_for_screen_readers_and_carries_no_date(svg):
    assert svg.startswith('<svg role="img" aria-label="a &quot;title&quot; &amp; &lt;more>" ')
    assert "<metadata>" not in svg
    assert svg.endswith("</svg>")


def test_the_same_figure_is_the_same_text():
    def drawn():
        figure, axes = new_figure()
        axes.plot([1, 2], [3, 4])
        return to_svg(figure, "t")

    assert drawn() == drawn()


def test_no_series_is_no_legend():
    figure, axes = new_figure()
    legend(axes)
    assert axes.get_legend() is None
    del figure
