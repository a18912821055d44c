"""What holds for a request: the user's word, else the model's, else the default."""

from __future__ import annotations

import pytest

from pipeline.errors import BadModelError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.settings import Settings, settled

OWN = {
    "do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1,
    "no_repeat_ngram_size": 3, "min_length": 5, "min_new_tokens": 2, "num_beams": 4,
    "stop_strings": ("x", "yz"),
}  # fmt: skip


def of(own, *, has_encoder=False, max_length=None, **said):
    options = GenerateOptions("out", "text", **said)
    return settled(options, GenerationSpec(own=own, max_length=max_length), has_encoder=has_encoder)


def test_without_a_word_from_anybody_it_is_greedy():
    assert of({}) == Settings(max_new_tokens=64)


def test_the_model_s_word_holds_where_the_user_says_nothing():
    assert of(OWN) == Settings(
        max_new_tokens=64, repetition_penalty=1.1, num_beams=4, temperature=0.6, top_k=40,
        top_p=0.9, no_repeat_ngram_size=3, min_length=5, min_new_tokens=2, stop=("x", "yz"),
    )  # fmt: skip


def test_the_user_s_word_holds():
    said = {"temperature": 0.0, "num_beams": 1, "top_k": 0, "top_p": 1.0, "min_new_tokens": 0,
            "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "max_new_tokens": 7,
            "length_penalty": 0.5, "stop": ("q",), "seed": 3}  # fmt: skip
    assert of(OWN, **said) == Settings(
        max_new_tokens=7, min_length=5, length_penalty=0.5, stop=("q",), seed=3
    )


def test_a_temperature_counts_only_where_the_model_samples():
    assert of({"temperature": 0.6}).temperature == 0.0
    assert of({"do_sample": True}).temperature == 1.0
    assert of({"temperature": 0.6}, temperature=0.3).temperature == 0.3


@pytest.mark.parametrize(
    ("length", "has_encoder", "most"), [(None, True, 64), (30, True, 29), (30, False, 64)]
)
def test_an_answer_behind_an_encoder_is_no_longer_than_the_model(length, has_encoder, most):
    assert of({}, has_encoder=has_encoder, max_length=length).max_new_tokens == most
    assert of({}, has_encoder=has_encoder, max_length=length, max_new_tokens=99) == Settings(99)


@pytest.mark.parametrize(
    "own", [{"num_beams": "three"}, {"repetition_penalty": -1}, {"top_p": True}, {"top_k": (1,)}]
)
def test_what_is_no_number_is_refused(own):
    with pytest.raises(BadModelError, match=next(iter(own))):
        of(own)


def test_one_string_is_one_string():
    assert of({"stop_strings": "END"}).stop == ("END",)
