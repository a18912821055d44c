"""One request's answers: as they grow, from a generator, or whole, from a batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from pipeline.errors import UsageError
from pipeline.serve.batches import Text
from pipeline.serve.generator import Ended, Event, Generator, Job, Token
from pipeline.serve.models import ServedModel
from pipeline.tasks.answer import Answer, Ending, GrowingText
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.one_beam import asks_for_more, choices_of
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.request import Request
from pipeline.tasks.room import before_new_angles, fitted, room_of
from pipeline.tasks.settings import MAX_NEW_TOKENS, Settings, settled


@dataclass(frozen=True)
class Piece:
    """What became known of one answer.

    Attributes:
        index: Which of the request's answers.
        text: What is new in its text.
        tokens: Tokens that were chosen, each with its probabilities where they were asked for.
        ending: Why it ended, None while it goes on.
    """

    index: int
    text: str
    tokens: tuple[Token, ...]
    ending: Ending | None


@dataclass
class _Growing:
    """An answer of a request on its way."""

    job: Job
    text: GrowingText
    ends: frozenset[int]
    tokens: list[int] = field(default_factory=list)
    held: list[Token] = field(default_factory=list)
    over: bool = False


class Told(Protocol):
    """The answers of one request, on their way."""

    @property
    def known(self) -> Sequence[int]:
        """Ids of each answer's prompt that had been read before."""

    def pieces(self) -> AsyncIterator[Piece]:
        """Yield what becomes known, until every answer has ended."""

    def leave(self) -> None:
        """Want no more of any answer."""


class WholeAnswers:
    """The answers of a model with an encoder: a batch of requests is decoded from start to end.

    Args:
        model: Answers them.
        texts: The sources.
        options: How tokens are chosen; its texts do not count.

    Raises:
        QueueFullError: They may not wait.
    """

    def __init__(self, model: ServedModel, texts: Sequence[str], options: GenerateOptions) -> None:
        asked = replace(options, texts=("-",))
        batcher = model.batchers["generate"]
        self._future = batcher.submit([Text(text, asked) for text in texts])
        self._limit = options.max_new_tokens or MAX_NEW_TOKENS
        self.known: Sequence[int] = (0,) * len(texts)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield each answer whole."""
        made: list[tuple[str, tuple[int, ...]]] = await asyncio.wrap_future(self._future)
        for index, (text, ids) in enumerate(made):
            ending: Ending = "length" if len(ids) >= self._limit else "stop"
            yield Piece(index, text, tuple(Token(token) for token in ids), ending)

    def leave(self) -> None:
        """Take the request back, if no batch holds it yet."""
        self._future.cancel()


def checked(
    model: ServedModel, prompts: Sequence[Sequence[int]], options: GenerateOptions
) -> Settings:
    """Return the options with no more new tokens than there is room for.

    Raises:
        UsageError: A prompt is empty or too long.
    """
    if not all(prompts):
        raise UsageError("a prompt has no tokens")
    source = model.source
    room = room_of(source.generation, source.decoder.capacity)
    settings = settled(options, source.generation, has_encoder=False)
    for prompt in prompts:
        settings, _ = fitted(settings, [prompt], room, has_encoder=False)
        settings, _ = before_new_angles(settings, [prompt], source.generation)
    return settings


class Answers:
    """The answers of one request, of a model whose rows are decoded together.

    Args:
        model: Decodes them.
        prompts: Ids of each.
        options: How tokens are chosen; its seed is the first answer's, the next ones count up.
        stop: Strings that end an answer; they are not told.
        logprobs: How many likeliest tokens to tell beside each; None for no probabilities.

    Raises:
        QueueFullError: They may not wait.
        UsageError: A prompt does not fit, or the model asks for more than rows can follow.
    """

    def __init__(
        self,
        model: ServedModel,
        prompts: Sequence[Sequence[int]],
        options: GenerateOptions,
        stop: Sequence[str] = (),
        logprobs: int | None = None,
    ) -> None:
        assert model.generator is not None
        settings = checked(model, prompts, options)
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._growing = [
            self._grow(model, index, prompt, settings, stop, logprobs)
            for index, prompt in enumerate(prompts)
        ]
        self._submit(model.generator)

    def _submit(self, generator: Generator) -> None:
        generator.submit([growing.job for growing in self._growing])

    def _grow(
        self,
        model: ServedModel,
        index: int,
        prompt: Sequence[int],
        settings: Settings,
        stop: Sequence[str],
        logprobs: int | None,
    ) -> _Growing:
        special, tokenizer = model.source.generation, model.source.tokenizer
        ids = np.asarray([prompt], np.int64)
        own = replace(settings, seed=settings.seed + index, stop=())
        request = Request(ids, np.ones_like(ids), own, special, tokenizer, TokenClock())
        if more := asks_for_more(request):
            raise UsageError(f"this model's generation asks for {', '.join(more)}: not served")
        answer = Answer(prompt, choices_of(request, ids.shape[1], np.zeros(1, np.int64)))

        def tell(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody hears any more
                self._loop.call_soon_threadsafe(self._heard.put_nowait, (index, event))

        job = Job(prompt, answer, tell, logprobs)
        ends = frozenset(special.ends)
        return _Growing(job, GrowingText(tokenizer.decode, (*stop, *settings.stop)), ends)

    @property
    def known(self) -> Sequence[int]:
        """Ids of each answer's prompt that had been read before."""
        return [growing.job.known for growing in self._growing]

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield what becomes known, until every answer has ended.

        Raises:
            PipelineError: The model failed.
        """
        going = len(self._growing)
        while going:
            index, event = await self._heard.get()
            growing = self._growing[index]
            if growing.over:
                continue
            piece = _heard(growing, index, event)
            if piece is not None:
                going -= growing.over
                yield piece

    def leave(self) -> None:
        """Want no more of any answer: its row is free for others."""
        for growing in self._growing:
            growing.job.left.set()


def _heard(growing: _Growing, index: int, event: Event) -> Piece | None:
    """Return what an event makes known; None for a token whose text is not certain yet."""
    if isinstance(event, Ended):
        if event.error is not None:
            raise event.error
        growing.over = True
        text = growing.text.hear(growing.tokens, last=True)
        return Piece(index, text, _taken(growing), event.ending or "stop")
    if event.token in growing.ends:
        return None  # the end mark is no part of the answer
    growing.held.append(event)
    growing.tokens.append(event.token)
    text = growing.text.hear(growing.tokens)
    if growing.text.stopped:
        growing.over = True
        growing.job.left.set()
        return Piece(index, text, _taken(growing), "stop")
    return Piece(index, text, _taken(growing), None) if text else None


def _taken(growing: _Growing) -> tuple[Token, ...]:
    held, growing.held = tuple(growing.held), []
    return held
