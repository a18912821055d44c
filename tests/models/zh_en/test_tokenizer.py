"""The tokenizer of zh-en: round trips, padding, truncation, and words it does not know."""

import pytest

from models.errors import ModelError
from models.zh_en import FOLDER
from models.zh_en.tokenizer import (
    BOS,
    EOS,
    MAX_LENGTH,
    PAD,
    SentenceTokenizer,
)


@pytest.fixture(scope="module")
def tokenizer():
    return SentenceTokenizer.from_folder(FOLDER)


def test_a_target_lies_between_its_marks_and_comes_back(tokenizer):
    ids = tokenizer.encode_target("I'm happy today.")
    assert (ids[0], ids[-1], PAD in ids) == (BOS, EOS, False)
    assert max(ids) < tokenizer.words.first_chinese_id
    assert tokenizer.decode(ids) == "I'm happy today."


def test_rows_are_padded_to_the_longest(tokenizer):
    ids, mask = tokenizer.encode(["我很累", "我今天很累。"])
    assert len(ids[0]) == len(ids[1])
    assert ids[0][-1] == PAD
    assert mask[0][-1] == 0
    assert [i for i, keep in zip(ids[0], mask[0], strict=True) if keep][-1] == EOS


def test_long_text_is_cut_and_says_so(tokenizer):
    text = "我今天很累。" * 30
    ids, _ = tokenizer.encode([text])
    assert len(ids[0]) == MAX_LENGTH
    assert tokenizer.truncated(text)
    assert not tokenizer.truncated("我今天很累。")


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("我今天很开心", []),
        ("我 今天 很 开心！", []),
        ("你喜欢音乐吗?", []),
        ("我喜欢恐龙。", ["恐龙"]),
        ("恐龙喜欢机器", ["恐龙", "机器"]),
        ("恐龙，恐龙", ["恐龙"]),
        ("你喜欢Python吗？", ["Python"]),
        ("I am happy", ["I am happy"]),
        ("现在3点", ["3"]),
        ("😀", ["😀"]),
        ("", []),
    ],
)
def test_unknown_words_are_named(tokenizer, text, unknown):
    assert tokenizer.unknown_words(text) == unknown


def test_known_characters_side_by_side_can_be_an_unknown_word(tokenizer):
    """大 and 人 are known, 大人 (an adult) never stood in the corpus."""
    assert tokenizer.unknown_words("他是大人") == ["大人"]


@pytest.mark.parametrize("content", [None, "", "{}"], ids=["absent", "empty", "hollow"])
def test_unreadable_files_are_a_model_error(content, tmp_path):
    if content is not None:
        (tmp_path / "words.json").write_text(content)
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        SentenceTokenizer.from_folder(tmp_path)
