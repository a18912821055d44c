"""How answers are told: OpenAI's JSON for chats and for plain completions.

**Source**: OpenAI's API reference, the objects `chat.completion`, `chat.completion.chunk` and
`text_completion`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.serve.answers import Piece
from pipeline.serve.generator import Token
from pipeline.tasks.answer import Ending

Json = dict[str, Any]


@dataclass
class Whole:
    """An answer as far as it is known.

    Attributes:
        text: Of all its pieces.
        tokens: Of all its pieces.
        ending: Why it ended, None while it goes on.
    """

    text: str = ""
    tokens: tuple[Token, ...] = ()
    ending: Ending | None = None

    def add(self, piece: Piece) -> None:
        """Take on what became known."""
        self.text += piece.text
        self.tokens += piece.tokens
        self.ending = piece.ending


class Shape(Protocol):
    """One of the two kinds of completions."""

    prefix: str
    kind: str
    chunk_kind: str

    def first(self, index: int) -> Json | None:
        """Return the choice that opens an answer's stream, None where nothing does."""

    def chunk(self, piece: Piece, before: Whole) -> Json:
        """Return the choice of one event; `before` is the answer without this piece."""

    def whole(self, index: int, answer: Whole) -> Json:
        """Return the choice of a whole answer."""


@dataclass(frozen=True)
class ChatShape:
    """A message of the assistant.

    Attributes:
        text_of: Returns the text of one token.
        probabilities: Whether they are told.
    """

    text_of: Callable[[int], bytes]
    probabilities: bool
    prefix = "chatcmpl-"
    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"

    def first(self, index: int) -> Json | None:
        """Return the choice that says who speaks."""
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, piece: Piece, before: Whole) -> Json:
        """Return what is new."""
        return {
            "index": piece.index,
            "delta": {"content": piece.text} if piece.text else {},
            "logprobs": self._logprobs(piece.tokens),
            "finish_reason": piece.ending,
        }

    def whole(self, index: int, answer: Whole) -> Json:
        """Return the message."""
        return {
            "index": index,
            "message": {"role": "assistant", "content": answer.text, "refusal": None},
            "logprobs": self._logprobs(answer.tokens),
            "finish_reason": answer.ending,
        }

    def _logprobs(self, tokens: Sequence[Token]) -> Json | None:
        if not self.probabilities:
            return None
        content = [
            {
                **self._entry(token.token, token.logprob),
                "top_logprobs": [self._entry(*pair) for pair in token.likeliest],
            }
            for token in tokens
        ]
        return {"content": content, "refusal": None}

    def _entry(self, token: int, logprob: float) -> Json:
        raw = self.text_of(token)
        text = raw.decode(errors="replace")
        return {"token": text, "logprob": logprob, "bytes": list(raw)}


@dataclass(frozen=True)
class CompletionShape:
    """A text that goes on.

    Attributes:
        text_of: Returns the text of one token.
        probabilities: Whether they are told.
    """

    text_of: Callable[[int], bytes]
    probabilities: bool
    prefix = "cmpl-"
    kind = "text_completion"
    chunk_kind = "text_completion"

    def first(self, index: int) -> Json | None:
        """Return None: a text begins with its first piece."""
        return None

    def chunk(self, piece: Piece, before: Whole) -> Json:
        """Return what is new."""
        start = sum(len(self._text(token.token)) for token in before.tokens)
        return self._choice(piece.index, piece.text, piece.tokens, piece.ending, start)

    def whole(self, index: int, answer: Whole) -> Json:
        """Return the text."""
        return self._choice(index, answer.text, answer.tokens, answer.ending, 0)

    def _choice(
        self, index: int, text: str, tokens: Sequence[Token], ending: Ending | None, start: int
    ) -> Json:
        return {
            "index": index,
            "text": text,
            "logprobs": self._logprobs(tokens, start) if self.probabilities else None,
            "finish_reason": ending,
        }

    def _logprobs(self, tokens: Sequence[Token], start: int) -> Json:
        texts = [self._text(token.token) for token in tokens]
        offsets = [start + sum(map(len, texts[:place])) for place in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [
                {self._text(i): logprob for i, logprob in token.likeliest} for token in tokens
            ],
            "text_offset": offsets,
        }

    def _text(self, token: int) -> str:
        return self.text_of(token).decode(errors="replace")
