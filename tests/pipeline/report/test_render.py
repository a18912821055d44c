"""The same document as HTML and as markdown."""

import re

import pytest

from pipeline.report.document import (
    Badge,
    Bar,
    Code,
    Details,
    Figure,
    Figures,
    Heading,
    Pre,
    Section,
    Table,
    Text,
)
from pipeline.report.page import build_page
from pipeline.report.render import Page, to_html, to_markdown
from pipeline.report.verdicts import Card
from tests.pipeline.report.cells import told

CARD = Card("Parity", "good", "within budget", "2 candidates")


def page(*blocks, **fields):
    told = {
        "title": "t", "facts": ["one", "two"], "notes": [Text("Beware.", "open")],
        "cards": [CARD], "sections": [Section("s", "Title", "The lead.", blocks)],
        "written": "now", "version": "1.2",
    }  # fmt: skip
    return Page(**{**told, **fields})


@pytest.fixture
def whole(data):
    return build_page(told(data), "0.1")


def test_markdown_says_the_same(whole):
    text = to_markdown(whole)
    assert text.startswith("# gpt2-tiny\n")
    assert "| Fusion | 1 of 2 attentions |" in text
    assert "the scale is 0.1 \\| not a constant" in text
    assert "我今天很开心。" in text
    for section in whole.sections:
        assert f"## {section.title}" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)


def test_empty_cells_and_bars_beyond_their_limit():
    table = Table(("a", ">b"), [["", Bar(2.0, "over")]])
    made = page(table)
    assert "data-empty" in to_html(made)
    assert 'class="bar over"' in to_html(made)


def test_markdown_of_every_block():
    text = to_markdown(
        page(
            Heading("Inside"),
            Table(("what", ">how many"), [[Code("a.b"), Badge("lost", "bad")],
                                          [Badge("kept", "good"), Bar(0.5, "half")]], "Caption."),
            Text("plain"), Text("noted", "open"), Pre("x = 1"),
            Details("more", [Text("deep")]), Figures([Figure("<svg/>", "drawn")]),
        )
    )  # fmt: skip
    assert text.startswith("# t\n\none · two\n\n> Beware.\n")
    assert "| Parity | within budget | 2 candidates |" in text
    assert "## Title\n\nThe lead.\n\n### Inside\n" in text
    assert "| what | how many |" in text
    assert "| `a.b` | **lost** |\n| kept | half |\n\nCaption.\n" in text
    assert "\nplain\n\n> noted\n\n```\nx = 1\n```\n" in text
    assert "<details><summary>more</summary>\n\ndeep\n" in text
    assert "svg" not in text
    assert text.endswith("Written now by pipeline 1.2.\n")


def test_html_of_every_block():
    html = to_html(
        page(
            Heading("Inside"), Text("with `ticks`", "bad"), Pre("a < b"), Text("plain"),
            Table(("what", ">n"), [[Code("a.b/c"), Badge("kept", "good")]], stack=True),
            Details("more", [Text("deep")]), Figures([Figure("<svg>drawn</svg>", "seen")]),
        )
    )  # fmt: skip
    assert "<code>ticks</code>" in html
    assert "a &lt; b" in html
    assert "a.<wbr>b/<wbr>c" in html, "long names may break"
    assert "<svg>drawn</svg>" in html
    assert re.search(r"<summary>\s*more", html)
    assert 'class="badge good"' in html
    assert "Written now" in html


@pytest.mark.parametrize(
    "block",
    [Text("<b>"), Pre("<b>"), Heading("<b>"), Details("<b>", []), Table(("<b>",), [["<b>"]]),
     Table(("a",), [[Code("<b>")]]), Table(("a",), [[Badge("<b>", "good")]]),
     Table(("a",), [[Bar(0.1, "<b>")]]), Figures([Figure("", "<b>")])],
    ids=lambda block: type(block).__name__,
)  # fmt: skip
def test_text_is_escaped_wherever_it_stands(block):
    html = to_html(page(block))
    assert "<b>" not in html
    assert "&lt;" in html


def test_what_a_template_does_not_find_is_an_error():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        to_html(page(cards=[{"title": "x"}]))


BAD = "<script>alert(1)</script> ![x](http://a.example/y) `<b>`"


@pytest.mark.parametrize(
    "block",
    [Table((BAD,), [[BAD]], BAD), Heading(BAD), Text(BAD), Text(BAD, "bad"), Details(BAD, []),
     Table(("a",), [[Badge(BAD, "bad")]]), Table(("a",), [[Bar(0.5, BAD)]])],
    ids=range(7),
)  # fmt: skip
def test_markdown_holds_no_html_and_no_picture_of_a_models_names(block):
    text = to_markdown(page(block, title=BAD, notes=[Text(BAD, "open")]))
    without = text.replace("<details>", "").replace("<summary>", "")
    assert not re.search(r"<[a-z]", without)
    assert "](" not in text


def test_names_stay_inside_their_code():
    name = "a `` b ``` <i>\nc"
    text = to_markdown(page(Table(("a",), [[Code(name)]]), Pre(name)))
    assert "| ```` a `` b ``` <i> c ```` |" in text
    assert f"````\n{name}\n````" in text
