"""Prompts in, answers out: streams, stops, limits, and what cannot be answered."""

import pytest

from pipeline.errors import UsageError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.request import Request
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import _check_rows, _trimmed, generate, generate_rows, generate_texts
from tests.pipeline.tasks.folders import encoder, folder_for, language_model, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return folder_for("generate", tmp_path_factory.mktemp("text"))


def said(folder, *texts, **options):
    return generate_texts(GenerateOptions(folder, texts, **{"max_new_tokens": 12, **options}))


def test_a_batch_says_what_its_texts_say_alone(folder):
    texts = ("The cat sat on the mat.", "a", "Once upon")
    both = said(folder, *texts)
    assert both.texts == tuple(said(folder, text).texts[0] for text in texts)
    assert both.variant == "export"
    assert both.seconds >= both.first_token_s > 0
    assert both.json()["tokens"] == [list(row) for row in both.tokens]


def test_what_is_streamed_is_the_text(folder):
    told = []
    options = GenerateOptions(folder, ("The cat",), max_new_tokens=30, temperature=1.0, seed=1)
    made = generate_texts(options, stream=told.append)
    assert "".join(told) == made.texts[0].rstrip("\N{REPLACEMENT CHARACTER}") != ""
    assert len(told) > 3


def test_several_answers_are_not_streamed(folder):
    told = []
    with TextSource(folder) as source:
        options = GenerateOptions(folder, ("a", "b"), max_new_tokens=3)
        generate(source, options, told.append)
    assert told == []


def test_an_answer_is_cut_where_a_stop_string_begins(folder):
    free = said(folder, "The cat", max_new_tokens=20).texts[0]
    stop = free[3:6]
    made = said(folder, "The cat", max_new_tokens=20, stop=(stop,))
    assert made.texts[0] == free[: free.index(stop)]
    assert len(made.tokens[0]) < 20


def test_a_seed_means_the_same_tokens_again(folder):
    first, again, other = (
        said(folder, "a", temperature=1.0, max_new_tokens=30, seed=s).tokens for s in (5, 5, 6)
    )
    assert first == again != other


def test_a_prompt_in_the_chat_template_is_another_prompt(folder):
    assert said(folder, "a").tokens != said(folder, "a", chat=True).tokens


def test_a_text_without_a_token_is_named():
    with pytest.raises(UsageError, match="text 2 is empty"):
        _check_rows([[1], []])


def test_a_model_that_does_something_else_is_refused(tmp_path, folder):
    other = write_folder(tmp_path / "out", "feature-extraction", encoder(), "wordpiece")
    with pytest.raises(UsageError, match="does feature-extraction"):
        said(other, "a")


def test_a_model_without_a_cache_is_refused(tmp_path):
    model, inputs, outputs = language_model()["model"]
    plain = tuple(value for value in inputs if not value.name.startswith("past"))
    parts = {"model": (model, plain, outputs)}
    other = write_folder(tmp_path / "out", "text-generation", parts, "byte_level")
    with pytest.raises(UsageError, match="no past_key_values") as caught:
        said(other, "a")
    assert "--kv-cache concat" in caught.value.fix


def test_rows_of_ids_need_no_tokenizer_but_for_their_text(folder):
    class Plain:
        def decode(self, ids, *, special=False):
            return f"{len(ids)} tokens"

    with TextSource(folder) as source:
        options = GenerateOptions(folder, ("-",), max_new_tokens=4)
        assert generate_rows(source, options, Plain(), [[5], [6, 7]]).texts == ("4 tokens",) * 2


def test_a_padding_token_that_was_drawn_ends_nothing():
    special = GenerationSpec(eos_token_id=2, pad_token_id=0)
    request = Request(None, None, None, special, None, None)
    assert _trimmed([5, 0, 6, 2, 7], request) == (5, 0, 6)
    assert _trimmed([5, 0, 6, 0, 0], request) == (5, 0, 6)
    assert _trimmed([0, 0], request) == ()
