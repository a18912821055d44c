"""The tokenizer of llama2 and Baichuan2 folders."""

import pytest
import sentencepiece

from models.errors import ModelError
from models.sentencepiece_tokenizer import SentencePieceTokenizer, save_fast

TEXT = ["the cat sat on the mat", "a dog ran in the park", "我今天很开心", "今天天气很好"] * 20


@pytest.fixture
def folder(tmp_path):
    with (tmp_path / "tokenizer.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT), model_writer=file, vocab_size=320, model_type="bpe",
            byte_fallback=True, minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
    return tmp_path


@pytest.mark.parametrize("text", ["the cat ran", "我今天很开心", "unseen ☃ bytes"])
def test_text_comes_back(folder, text):
    tokenizer = SentencePieceTokenizer.from_folder(folder, add_bos=True)
    ids = tokenizer.encode(text)
    assert ids[0] == tokenizer.bos_id
    assert tokenizer.decode([*ids, tokenizer.eos_id]) == text


def test_baichuan_adds_no_bos(folder):
    tokenizer = SentencePieceTokenizer.from_folder(folder, add_bos=False)
    assert tokenizer.bos_id not in tokenizer.encode("the cat")


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        SentencePieceTokenizer.from_folder(tmp_path, add_bos=True)


def test_junk_file(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read"):
        SentencePieceTokenizer.from_folder(tmp_path, add_bos=True)


@pytest.mark.parametrize("add_bos", [True, False])
def test_the_converted_tokenizer_gives_the_same_ids(folder, add_bos, tmp_path_factory):
    from transformers import AutoTokenizer

    target = tmp_path_factory.mktemp("fast")
    save_fast(folder, target, add_bos)
    fast = AutoTokenizer.from_pretrained(target, local_files_only=True)
    plain = SentencePieceTokenizer.from_folder(folder, add_bos)
    for text in ("the cat ran", "我今天很开心 hello", "unseen ☃ bytes"):
        assert fast(text)["input_ids"] == plain.encode(text)
