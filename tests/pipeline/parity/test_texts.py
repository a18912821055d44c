import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.errors import UsageError
from pipeline.parity.texts import DEFAULT_TEXTS, Texts, read_texts, unseen_texts
from tests.pipeline.records.made import model_source


@pytest.fixture
def folder(tmp_path):
    words = {"[pad]": 0, "[unk]": 1, "the": 2, "cat": 3, "sat": 4}
    made = Tokenizer(models.WordLevel(words, unk_token="[unk]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_padding(pad_id=0, length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_rows_are_padded_to_the_longest_on_the_side_asked_for(folder):
    texts = Texts(folder, pad_id=0, longest=8)
    ids, mask = texts.encode(["the cat sat", "cat"])
    assert ids.tolist() == [[2, 3, 4], [3, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert texts.encode(["the cat sat", "cat"], left=True)[0].tolist() == [[2, 3, 4], [0, 0, 3]]
    assert texts.decode([2, 3]) == "the cat"


def test_long_texts_are_cut_and_empty_ones_keep_a_column(folder):
    assert Texts(folder, 0, 2).encode(["the cat sat"])[0].tolist() == [[2, 3]]
    ids, mask = Texts(folder, 0, 2).encode([""])
    np.testing.assert_array_equal((ids, mask), np.zeros((2, 1, 1)))


def test_no_tokenizer_and_no_texts_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="tokenizer"):
        Texts(tmp_path, 0, 8)
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(UsageError, match="no text"):
        read_texts(tmp_path / "empty.txt")
    (tmp_path / "two.txt").write_text("一\n\n two \n", encoding="utf-8")
    assert read_texts(tmp_path / "two.txt") == ["一", "two"]
    assert len(set(DEFAULT_TEXTS)) == len(DEFAULT_TEXTS)


@pytest.mark.parametrize(
    ("kind", "source", "first"),
    [
        ("preset", "zh-en", "香港的夏天不潮湿。"),
        ("preset", "bert-tiny", DEFAULT_TEXTS[0]),
        ("hf", "folder", DEFAULT_TEXTS[0]),
    ],
)
def test_texts_suit_the_model(kind, source, first):
    found = unseen_texts(model_source(kind=kind, source=source), 3)
    assert (len(found), found[0]) == (3, first)
