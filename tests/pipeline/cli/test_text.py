"""Where texts come from, and how answers are shown."""

from __future__ import annotations

import io

import pytest

from pipeline.cli.text import ranked, texts_given


@pytest.mark.parametrize(
    ("words", "stdin", "expected"),
    [
        (("a", "b"), "", ("a", "b")),
        (("-",), "a\n\n b \n", ("a", "b")),
        (("-",), "", ()),
        (("-", "a"), "x\n", ("-", "a")),
    ],
    ids=["words", "lines", "nothing", "a-dash-among-words"],
)
def test_texts(monkeypatch, words, stdin, expected):
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    assert texts_given(words) == expected


def test_ranked():
    assert ranked([(" cat", 0.51, 2.0), ("dog", None, 0.5)]) == "cat 51.0 %, dog 0.5"
