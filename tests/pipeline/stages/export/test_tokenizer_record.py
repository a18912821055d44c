"""What is written down about a saved tokenizer is shown to be right, or is said to be wrong."""

import json

import pytest

from pipeline.records.tokenizer import FILE
from pipeline.stages.export.tokenizer_record import OWN_FILE, record_tokenizer
from pipeline.tokenizer.fast import FastTokenizer
from pipeline.tokenizer.open import open_tokenizer, record_of
from tests.pipeline.tokenizer.kinds import FAST, SLOW


@pytest.mark.parametrize("kind", FAST)
def test_tokenizers_of_the_library_need_no_transformers(kind, tmp_path):
    FAST[kind]().save_pretrained(tmp_path)
    record_tokenizer(tmp_path)
    assert record_of(tmp_path).reason == ""
    assert not (tmp_path / OWN_FILE).exists()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("python", "ByT5Tokenizer is no tokenizer of the tokenizers library"),
     ("own", "CodeGenTokenizer has its own decode")],
)  # fmt: skip
def test_others_say_why_they_do(kind, reason, tmp_path):
    SLOW[kind]().save_pretrained(tmp_path)
    record_tokenizer(tmp_path)
    assert record_of(tmp_path).reason.startswith(reason)


def test_what_transformers_builds_from_other_files_is_kept(tmp_path):
    made = FAST["wordpiece"]()
    made.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    words = sorted(made.get_vocab().items(), key=lambda item: item[1])
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), "utf-8")
    record_tokenizer(tmp_path)
    assert record_of(tmp_path).file == OWN_FILE
    opened = open_tokenizer(tmp_path)
    assert isinstance(opened, FastTokenizer)
    assert opened.encode("The cat") == made("The cat")["input_ids"]


def test_what_transformers_changes_on_loading_is_kept(tmp_path):
    FAST["byte_level"]().save_pretrained(tmp_path)
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    told["extra_special_tokens"] = ["<|new|>"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    record_tokenizer(tmp_path)
    assert record_of(tmp_path).file == OWN_FILE
    assert len(open_tokenizer(tmp_path).encode("<|new|>")) == 1


def test_a_file_alone_needs_no_record(tmp_path):
    FAST["wordpiece"]().save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    record_tokenizer(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_what_cannot_be_loaded_alone_says_so(tmp_path):
    FAST["wordpiece"]().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{]")
    record_tokenizer(tmp_path)
    assert "it cannot be loaded alone" in record_of(tmp_path).reason


WRONG = {
    "encode": (lambda self, text: [1], "gives other ids"),
    "decode": (lambda self, ids, special=False: "", "give another text"),
    "mask_token": (property(lambda self: "[M]"), "its mask is another"),
    "chat": (lambda self, text: [1], "a message in its chat template is another"),
    "batch": (lambda self, texts: BATCH(self, [*texts, "more"]), "a batch with"),
}
BATCH = FastTokenizer.batch


@pytest.mark.parametrize("name", WRONG)
def test_a_difference_is_found(name, tmp_path, monkeypatch):
    FAST["byte_level"]().save_pretrained(tmp_path)
    wrong, words = WRONG[name]
    monkeypatch.setattr(FastTokenizer, name, wrong)
    record_tokenizer(tmp_path)
    assert words in record_of(tmp_path).reason


def test_a_text_that_is_cut_elsewhere_is_found(tmp_path, monkeypatch):
    FAST["wordpiece"]().save_pretrained(tmp_path)
    monkeypatch.setattr(FastTokenizer, "_cut", lambda self, text: self._tokenizer.encode(text))
    record_tokenizer(tmp_path)
    assert "a batch with" in record_of(tmp_path).reason


def test_templates_without_a_default_are_left_to_transformers(tmp_path):
    made = FAST["byte_level"]()
    made.chat_template = {"tool_use": "x"}
    made.save_pretrained(tmp_path)
    record_tokenizer(tmp_path)
    assert "several chat templates" in record_of(tmp_path).reason
