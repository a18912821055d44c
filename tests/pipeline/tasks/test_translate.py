"""Sources are translated, and unknown words are named, never silently translated."""

from pathlib import Path

import pytest

import models.zh_en
from models.zh_en.tokenizer import SentenceTokenizer
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.translate import _doubts, _row, translate, translate_texts
from tests.pipeline.tasks.folders import SPECIAL, folder_for, translator, write_folder


@pytest.fixture(scope="module")
def sentences():
    return SentenceTokenizer.from_folder(Path(models.zh_en.__file__).parent)


def test_words_outside_the_vocabulary_are_named_with_their_text(sentences):
    notes = list(_doubts(sentences, ("我今天很开心", "我昨天买了量子计算机")))
    assert len(notes) == 1
    assert "量子计算机" in notes[0]


def test_a_text_that_is_cut_is_named(sentences):
    (note,) = _doubts(sentences, ("我今天很开心。" * 40,))
    assert note.startswith("longer than the model reads, so cut: 我今天很开心")


def test_rows_hold_no_padding(sentences):
    row = _row(sentences, "我今天很开心")
    assert row
    assert 0 not in row


@pytest.mark.parametrize("name", ["translate", "zh-en"])
def test_texts_are_translated_alone_as_in_a_batch(name, tmp_path):
    folder = folder_for(name, tmp_path)
    texts = ("我今天很开心", "The cat sat", "我昨天买了量子计算机")
    made = translate_texts(GenerateOptions(folder, texts, max_new_tokens=9))
    assert bool(made.notes) == (name == "zh-en")
    with TextSource(folder) as source:
        alone = [translate(source, GenerateOptions(folder, (text,), max_new_tokens=9)).texts[0]
                 for text in texts]  # fmt: skip
    assert list(made.texts) == alone
    assert len(set(alone)) > 1


def test_an_answer_is_no_longer_than_the_model(tmp_path):
    from dataclasses import replace

    short = replace(SPECIAL, max_length=5, eos_token_id=None)
    folder = write_folder(tmp_path / "out", "translation", translator(), "unigram", short)
    made = translate_texts(GenerateOptions(folder, ("The cat",)))
    assert len(made.tokens[0]) == 4
