"""Results in a notebook: the same cells in both forms, and nothing in them is markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pipeline.notebook import Grid, Shown, table_markdown, verdict


class Sample(Shown):
    def __init__(self, *grids):
        self._grids = grids

    def grids(self):
        return self._grids


class Texts(HTMLParser):
    """Collects the texts of the elements asked for, and every tag."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.cells, self._open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("td", "th"):
            self.cells[-1] += data


GRID = Grid("two sites", ("site", "state"), (("layer.0", "fused"), ("layer.1", "refused")))


def test_html_holds_title_and_cells():
    html = Sample(GRID)._repr_html_()
    assert Texts(html).cells == ["site", "state", "layer.0", "fused", "layer.1", "refused"]
    assert "<strong>two sites</strong>" in html


def test_markdown_holds_title_and_cells():
    assert Sample(GRID)._repr_markdown_().splitlines() == [
        "**two sites**",
        "",
        "| site | state |",
        "| --- | --- |",
        "| layer.0 | fused |",
        "| layer.1 | refused |",
    ]


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=y>",
        'a" b',
        "&amp;",
        "x | y",
        "*b* `c` [d](e)",
    ],
)
def test_a_name_from_a_file_is_text(evil):
    html = Sample(Grid(evil, (evil,), ((evil,),)))._repr_html_()
    read = Texts(html)
    assert read.cells == [evil, evil]
    assert set(read.tags) == {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}


def test_markdown_has_no_markup_of_a_names_own():
    made = Sample(Grid("t", ("a",), (("<b>*x*|`y`_z_[l](u)$m$",),)))._repr_markdown_()
    row = made.splitlines()[-1]
    assert row == r"| &lt;b&gt;\*x\*\|\`y\`\_z\_\[l\](u)\$m\$ |"


def test_a_cell_cannot_leave_its_line():
    assert table_markdown(("a",), (("one\ntwo | three",),)).splitlines()[-1] == (
        "| one two \\| three |"
    )


def test_a_grid_without_columns_is_its_title():
    assert Sample(Grid("done"))._repr_markdown_() == "**done**"
    assert Texts(Sample(Grid("done"))._repr_html_()).tags == ["p", "strong"]


def test_several_grids_follow_each_other():
    made = Sample(GRID, Grid("and then"))
    assert made._repr_html_().index("two sites") < made._repr_html_().index("and then")
    assert made._repr_markdown_().endswith("\n\n**and then**")


def test_verdicts_are_words():
    assert [verdict(x) for x in (True, False, None)] == ["passed", "FAILED", ""]
