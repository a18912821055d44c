"""One answer that grows: the tokens of the loop over rows, and text that no later token changes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tasks.answer import Answer, GrowingText
from pipeline.tasks.loop import Choices, continue_rows
from pipeline.tasks.sampling import Draw
from pipeline.tasks.scores import repetition_penalty, temperature

TABLE = np.random.default_rng(0).normal(size=(50, 50)).astype(np.float32) * 3


def choices(**more):
    adjust = (repetition_penalty(1.3, np.zeros(1, np.int64)), temperature(0.7))
    return Choices(limit=20, adjust=adjust, choose=Draw(5), **more)


def scores(ids):
    return TABLE[ids]


@pytest.mark.parametrize("ends", [(), (7, 31)], ids=["to-the-limit", "to-an-end-mark"])
def test_an_answer_has_the_tokens_of_the_loop(ends):
    (row,) = continue_rows(scores, np.array([[3, 4, 5]]), choices(ends=ends))
    answer = Answer([3, 4, 5], choices(ends=ends))
    while answer.ending is None:
        answer.take(TABLE[answer.last])
    assert answer.tokens == row[3:].tolist()
    assert answer.ending == ("stop" if answer.last in ends else "length")


def test_criteria_end_an_answer():
    answer = Answer([1], Choices(limit=9, criteria=(lambda ids: ids[:, -1] > -1,)))
    answer.take(TABLE[1])
    assert (answer.ending, len(answer.tokens)) == ("stop", 1)


PIECES = ["Hel", "lo ", "wor", "ld", "!", " EN", "D", " more"]


def told(pieces, stop=()):
    text = GrowingText(lambda ids: "".join(pieces[i] for i in ids), stop)
    heard = [text.hear(range(n + 1)) for n in range(len(pieces))]
    return text, [*heard, text.hear(range(len(pieces)), last=True)]


def test_text_comes_as_it_is_made():
    text, heard = told(PIECES)
    assert heard == [*PIECES, ""]
    assert not text.stopped


def test_nothing_of_a_stop_string_is_told():
    text, heard = told(PIECES, ["END"])
    assert "".join(heard) == "Hello world! "
    assert heard[5] == " "  # " EN" may begin the string
    assert text.stopped


def test_what_only_began_a_stop_string_is_told_in_the_end():
    _, heard = told(["a", " E", "N"], ["END"])
    assert heard == ["a", " ", "", "EN"]


def test_the_first_of_several_stop_strings_counts():
    text, heard = told(["one two three"], ["three", "two"])
    assert (text.said, heard[0]) == ("one ", "one ")


def test_half_a_character_is_held_back():
    raw = "né".encode()
    text = GrowingText(lambda ids: bytes(raw[i] for i in ids).decode(errors="replace"))
    assert [text.hear(range(n)) for n in (1, 2, 3)] == ["n", "", "é"]
    assert text.hear(range(2), last=True) == ""
