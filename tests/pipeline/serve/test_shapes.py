"""The JSON of answers."""

from __future__ import annotations

from pipeline.serve.answers import Piece
from pipeline.serve.generator import Token
from pipeline.serve.shapes import ChatShape, CompletionShape, Whole

TEXTS = {1: b"ab", 2: b"c", 3: b"\xe2"}
TOKENS = (Token(1, -0.5, ((1, -0.5), (2, -1.0))), Token(3, -2.0, ((1, -0.1),)))


def test_offsets_go_on_from_piece_to_piece():
    shape = CompletionShape(TEXTS.__getitem__, True)
    before = Whole("ab", (Token(1), Token(2)))
    choice = shape.chunk(Piece(0, "x", TOKENS, "stop"), before)
    assert choice["logprobs"]["text_offset"] == [3, 5]
    assert choice["logprobs"]["top_logprobs"][0] == {"ab": -0.5, "c": -1.0}
    assert choice["finish_reason"] == "stop"


def test_a_token_that_is_no_text_keeps_its_bytes():
    (first, second) = ChatShape(TEXTS.__getitem__, True).whole(0, Whole("x", TOKENS, "length"))[
        "logprobs"
    ]["content"]
    assert first["token"] == "ab"
    assert second["bytes"] == [0xE2]


def test_probabilities_nobody_asked_for_are_absent():
    for shape in (ChatShape(TEXTS.__getitem__, False), CompletionShape(TEXTS.__getitem__, False)):
        assert shape.whole(0, Whole("x", TOKENS, "stop"))["logprobs"] is None


def test_a_whole_answer_is_its_pieces():
    answer = Whole()
    answer.add(Piece(0, "a", (Token(1),), None))
    answer.add(Piece(0, "b", (Token(2),), "length"))
    assert (answer.text, answer.tokens, answer.ending) == ("ab", (Token(1), Token(2)), "length")
