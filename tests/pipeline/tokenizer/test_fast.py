"""The tokenizers library alone does what transformers does, for every kind of tokenizer."""

import json
import threading

import numpy as np
import pytest
from transformers import AutoTokenizer, StopStringCriteria

from pipeline.errors import BadModelError, UsageError
from pipeline.records.tokenizer import TokenizerRecord
from pipeline.stages.export.tokenizer_record import TEXTS, record_tokenizer
from pipeline.tokenizer.fast import FastTokenizer, read_file
from pipeline.tokenizer.open import open_tokenizer
from pipeline.tokenizer.pieces import NEVER
from tests.pipeline.tokenizer.kinds import FAST

MORE = ("The cat sat.", "good day . is n't", "a\n\nb", "é", "<s>good</s>", "▁day")


@pytest.fixture(scope="module", params=FAST)
def pair(request, tmp_path_factory):
    """Return a tokenizer as it is opened, and as transformers loads it."""
    folder = tmp_path_factory.mktemp(request.param)
    FAST[request.param]().save_pretrained(folder)
    record_tokenizer(folder)
    opened = open_tokenizer(folder)
    assert isinstance(opened, FastTokenizer)
    return opened, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", [*TEXTS, *MORE])
def test_texts_are_read_and_written_alike(pair, text):
    fast, theirs = pair
    ids = theirs(text)["input_ids"]
    assert fast.encode(text) == ids
    assert fast.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert fast.decode(np.array(ids, np.int64), special=True) == theirs.decode(ids)


@pytest.mark.parametrize("texts", [("x", "The cat sat on the mat."), TEXTS], ids=["short", "long"])
def test_batches_are_padded_and_cut_alike(pair, texts):
    fast, theirs = pair
    if theirs.pad_token is None:
        theirs.pad_token = theirs.eos_token
    if theirs.pad_token is None:
        with pytest.raises(UsageError, match="no padding token"):
            fast.batch(texts)
        texts = texts[1:2]
    wanted = theirs(list(texts), padding=theirs.pad_token is not None, truncation=True,
                    return_tensors="np")  # fmt: skip
    made = fast.batch(texts)
    np.testing.assert_array_equal(made.ids, wanted["input_ids"])
    np.testing.assert_array_equal(made.mask, wanted.get("attention_mask", np.ones_like(made.ids)))
    assert (made.types is None) == ("token_type_ids" not in wanted)
    if made.types is not None:
        np.testing.assert_array_equal(made.types, wanted["token_type_ids"])


def test_a_message_is_wrapped_alike(pair):
    fast, theirs = pair
    if theirs.chat_template is None:
        with pytest.raises(UsageError, match="no chat template"):
            fast.chat("Hello")
        return
    message = [{"role": "user", "content": " Why < not? "}]
    wanted = theirs.apply_chat_template(message, add_generation_prompt=True)["input_ids"]
    assert fast.chat(" Why < not? ") == wanted


def test_tokens_add_the_same_bytes(pair):
    fast, theirs = pair
    mode = StopStringCriteria._get_stop_string_matching_mode(theirs)
    texts, ids = StopStringCriteria.clean_tokenizer_vocab(theirs, stop_string_matching_mode=mode)
    for text, token in zip(texts, ids, strict=True):
        assert fast.bytes_of(token) == (text.encode() if isinstance(text, str) else text)
    assert fast.bytes_of(max(ids) + 1) == NEVER


def test_the_mask_is_known(pair):
    fast, theirs = pair
    assert (fast.mask_token, fast.mask_id) == (theirs.mask_token, theirs.mask_token_id)


def test_threads_share_a_tokenizer(pair):
    fast, _ = pair
    wanted = [(fast.encode(t), fast.batch([t]).ids.tolist()) for t in TEXTS]
    wrong = []

    def read():
        for _ in range(20):
            for text, (ids, batch) in zip(TEXTS, wanted, strict=True):
                if fast.encode(text) != ids or fast.batch([text]).ids.tolist() != batch:
                    wrong.append(text)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{]")
    with pytest.raises(BadModelError, match="the tokenizer cannot be read"):
        read_file(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$|(a|aa)+b(?=c)"},
                            "behavior": "Isolated", "invert": False}}, "retry-limit"),
        ({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {},
                    "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}}, "UNK"),
    ],
    ids=["a pattern without end", "no words"],
)  # fmt: skip
def test_a_tokenizer_that_gives_up_is_an_error_with_its_words(tmp_path, edit, says):
    FAST["wordpiece"]().save_pretrained(tmp_path)
    told = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(told | edit))
    fast = FastTokenizer(read_file(tmp_path / "tokenizer.json"), TokenizerRecord())
    with pytest.raises(BadModelError, match=says):
        fast.encode(f"{'a' * 60}!")
