"""One answer that grows token by token, and the text of it that can no longer change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from pipeline.tasks.loop import Choices

Ending: TypeAlias = Literal["stop", "length"]
UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what a character decodes to whose last bytes are to come


class Answer:
    """The ids of one prompt and its answer, chosen as `loop.continue_rows` chooses those of a row.

    Args:
        prompt: Its ids, at least one.
        choices: How tokens are chosen, for one row.

    Attributes:
        ending: Why the answer ended, None while it goes on.
    """

    def __init__(self, prompt: Sequence[int], choices: Choices) -> None:
        self._ids = np.zeros((1, max(choices.limit, len(prompt))), np.int64)
        self._ids[0, : len(prompt)] = prompt
        self._choices, self._start, self._width = choices, len(prompt), len(prompt)
        self.ending: Ending | None = None

    @property
    def tokens(self) -> list[int]:
        """The ids of the answer so far, an end mark included."""
        found: list[int] = self._ids[0, self._start : self._width].tolist()
        return found

    @property
    def last(self) -> int:
        """The newest id, or the prompt's last."""
        return int(self._ids[0, self._width - 1])

    def take(self, scores: np.ndarray) -> int:
        """Return the next token, chosen by its scores [V], and note whether it ends the answer."""
        row = np.asarray(scores[None], np.float32)
        for adjust in self._choices.adjust:
            row = adjust(self._ids[:, : self._width], row)
        token = int(self._choices.choose(row)[0])
        self._ids[0, self._width] = token
        self._width += 1
        ids = self._ids[:, : self._width]
        if token in self._choices.ends or any(done(ids)[0] for done in self._choices.criteria):
            self.ending = "stop"
        elif self._width >= self._choices.limit:
            self.ending = "length"
        return token


@dataclass
class GrowingText:
    """The text of an answer, handed out as soon as no later token can change it.

    Attributes:
        decode: Returns the text of ids.
        stop: Strings that end the text; neither they nor what follows is handed out.
        said: The text handed out so far.
        stopped: Whether one of the strings came.
    """

    decode: Callable[[Sequence[int]], str]
    stop: Sequence[str] = ()
    said: str = field(default="", init=False)
    stopped: bool = field(default=False, init=False)

    def hear(self, tokens: Sequence[int], *, last: bool = False) -> str:
        """Return what is new and certain in the text of all tokens so far.

        Args:
            tokens: The answer's ids without an end mark.
            last: Whether no more will come, so that nothing is held back.
        """
        if self.stopped:
            return ""
        text = self.decode(tokens)
        places = [place for word in self.stop if (place := text.find(word)) >= 0]
        if places:
            text, self.stopped = text[: min(places)], True
        elif not last:
            text = text[: len(text) - self._doubtful(text)]
        if not text.startswith(self.said):  # a tokenizer that takes back what it has said
            return ""
        new, self.said = text[len(self.said) :], text
        return new

    def _doubtful(self, text: str) -> int:
        """Return how many characters at the end may still change or begin a stop string."""
        unfinished = len(text) - len(text.rstrip(UNFINISHED))
        beginnings = (
            length
            for word in self.stop
            for length in range(1, min(len(word), len(text) + 1))
            if text.endswith(word[:length])
        )
        return max(unfinished, max(beginnings, default=0))
