"""A document's blocks, which both renderings read."""

import dataclasses

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
    kind,
)


def test_kinds_are_the_words_of_the_template():
    blocks = [Table((), ()), Figures(()), Text(""), Pre(""), Heading(""), Details("", ())]
    assert [kind(block) for block in blocks] == [
        "table", "figures", "text", "pre", "heading", "details",
    ]  # fmt: skip
    cells = ["a", Badge("a", "good"), Bar(0.5, "b"), Code("c"), Figure("", "")]
    assert [kind(cell) for cell in cells] == ["str", "badge", "bar", "code", "figure"]


def test_a_document_is_not_changed_after_it_was_made():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Section("a", "A", "lead").title = "B"
    assert Section("a", "A", "lead").blocks == ()
    assert (Table((), ()).stack, Text("x").state) == (False, None)
