"""The shortest way to a tokenizer is taken, and the log says when it is not the short one."""

import logging

import pytest

from pipeline.errors import FolderError
from pipeline.records.tokenizer import FILE
from pipeline.stages.export.tokenizer_record import record_tokenizer
from pipeline.tokenizer.fast import FastTokenizer
from pipeline.tokenizer.open import open_tokenizer
from pipeline.tokenizer.through_transformers import TransformersTokenizer
from tests.pipeline.tokenizer.kinds import SLOW, wordpiece


@pytest.fixture
def folder(tmp_path):
    wordpiece().save_pretrained(tmp_path)
    record_tokenizer(tmp_path)
    return tmp_path


def test_what_was_written_down_is_followed(folder, caplog):
    with caplog.at_level(logging.INFO):
        assert isinstance(open_tokenizer(folder), FastTokenizer)
    assert "transformers reads" not in caplog.text


def test_an_older_export_is_read_by_transformers(folder, caplog):
    (folder / FILE).unlink()
    with caplog.at_level(logging.INFO):
        assert isinstance(open_tokenizer(folder), TransformersTokenizer)
    assert "transformers reads the tokenizer: it was exported by an older version" in caplog.text


@pytest.mark.parametrize("text", ["{]", "{}", '{"format": 2}', '{"format": 1, "more": 2}'])
def test_a_record_that_cannot_be_used_is_refused(folder, text):
    (folder / FILE).write_text(text)
    with pytest.raises(FolderError) as caught:
        open_tokenizer(folder)
    assert "export" in caught.value.fix


@pytest.mark.parametrize("kind", SLOW)
def test_what_has_its_own_ways_is_read_by_transformers(kind, tmp_path, caplog):
    made = SLOW[kind]()
    made.save_pretrained(tmp_path)
    record_tokenizer(tmp_path)
    with caplog.at_level(logging.INFO):
        opened = open_tokenizer(tmp_path)
    assert isinstance(opened, TransformersTokenizer)
    assert f"transformers reads the tokenizer: {type(made).__name__}" in caplog.text
    assert opened.encode("The cat") == made("The cat")["input_ids"]


def test_a_file_alone_says_how_it_pads(folder):
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.enable_padding(direction="left", pad_id=3, pad_token="[SEP]", pad_to_multiple_of=8)
    made.enable_truncation(4)
    for name in ("tokenizer_config.json", FILE):
        (folder / name).unlink()
    made.save(str(folder / "tokenizer.json"))
    opened = open_tokenizer(folder)
    batch = opened.batch(["x", "the cat sat on the mat"])
    assert batch.mask.tolist()[0][-3:] == [1, 1, 1]
    assert batch.ids.tolist()[0][0] == 3
    assert batch.mask.shape[1] > 4
    assert batch.types is not None
    assert len(opened.encode("x")) < 8
