"""Unknown words are named, never silently translated."""

from pathlib import Path

import pytest

import models.zh_en
from pipeline.tasks.translate import _Decoding, _row, _sentences


@pytest.fixture(scope="module")
def source():
    class Source:
        tokenizer_folder = Path(models.zh_en.__file__).parent

    return Source()


def test_words_outside_the_vocabulary_are_named_with_their_text(source):
    _, notes = _sentences(source, ("我今天很开心", "我昨天买了量子计算机"))
    assert len(notes) == 1
    assert "量子计算机" in notes[0]


def test_rows_hold_no_padding(source):
    tokenizer, _ = _sentences(source, ("我今天很开心",))
    assert isinstance(tokenizer, _Decoding)
    row = _row(tokenizer, "我今天很开心")
    assert row
    assert 0 not in row
