"""Options of the text commands: values outside their range are refused by their flag."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.tasks.options import EmbedOptions, GenerateOptions, TextOptions


@pytest.mark.parametrize("texts", [(), ("",), (" \n", "\t")], ids=str)
@pytest.mark.parametrize("options", [TextOptions, GenerateOptions])
def test_without_a_text_there_is_nothing_to_do(options, texts):
    with pytest.raises(UsageError, match="no text was given"):
        options(Path("out"), texts)


def test_one_text_among_empty_ones_is_enough():
    assert TextOptions("out", ("", "a")).texts == ("", "a")
    assert TextOptions("out", "a b").texts == ("a b",)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"max_new_tokens": 0}, "--max-new-tokens 0 is not at least 1"),
        ({"repetition_penalty": 0.0}, "--repetition-penalty 0.0 is not above 0"),
        ({"num_beams": 0}, "--num-beams 0 is not at least 1"),
        ({"temperature": -0.1}, "--temperature -0.1 is not 0 or above"),
        ({"top_k": -1}, "--top-k -1 is not 0 or above"),
        ({"top_p": 0.0}, "--top-p 0.0 is not above 0, at most 1"),
        ({"top_p": 1.01}, "--top-p 1.01 is not above 0, at most 1"),
        ({"runner": "magic"}, "runner"),
    ],
    ids=str,
)
def test_values_outside_their_range(wrong, words):
    with pytest.raises(UsageError) as caught:
        GenerateOptions(Path("out"), ("a",), **wrong)
    assert words in str(caught.value)


def test_the_ends_of_the_ranges_are_allowed():
    made = GenerateOptions(
        "out", "a", max_new_tokens=1, num_beams=1, temperature=0, top_k=0, top_p=1, stop="\n"
    )
    assert (made.temperature, made.stop, made.runner) == (0.0, ("\n",), "ort")


@pytest.mark.parametrize("given", [{"texts": ("good", "a\udcff")}, {"prompt": "\ud800"}])
def test_bytes_that_are_no_text_are_refused(given):
    with pytest.raises(UsageError, match="not UTF-8"):
        EmbedOptions("out", **{"texts": ("a",), **given})
