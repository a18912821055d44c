"""`/v1/chat/completions` and `/v1/completions`: answers whole, or piece by piece."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.serve.answers import Answers, Piece, Told, WholeAnswers
from pipeline.serve.metrics import Metrics
from pipeline.serve.models import ServedModel
from pipeline.serve.options import ServeOptions
from pipeline.serve.refusals import RefusedError, refusal_of
from pipeline.serve.requests import ChatRequest, Choosing, CompletionRequest, as_json
from pipeline.serve.shapes import ChatShape, CompletionShape, Json, Shape, Whole
from pipeline.tasks.options import GenerateOptions

MOST_ANSWERS = 128


@dataclass
class Completion:
    """One request whose answers are on their way.

    Attributes:
        model: Which answers.
        asked: The request.
        shape: How it is told.
        told: The answers.
        wholes: The answers as far as they are known.
        prompt_tokens: Of all prompts, each counted once.
        metrics: Told of tokens.
    """

    model: ServedModel
    asked: Choosing
    shape: Shape
    told: Told
    wholes: list[Whole]
    prompt_tokens: int
    metrics: Metrics
    started: float = field(default_factory=time.perf_counter)
    identity: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def collect(self) -> Json:
        """Return the answers once all have ended."""
        try:
            async for piece in self._pieces():
                self.wholes[piece.index].add(piece)
        finally:
            self.told.leave()
        choices = [self.shape.whole(index, answer) for index, answer in enumerate(self.wholes)]
        return {**self._head(self.shape.kind), "choices": choices, "usage": self._usage()}

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the answers as server-sent events."""
        with_usage = self.asked.stream_options is not None and (
            self.asked.stream_options.include_usage
        )
        more: Json = {"usage": None} if with_usage else {}
        try:
            for index in range(len(self.wholes)):
                if (first := self.shape.first(index)) is not None:
                    yield self._event([first], more)
            async for piece in self._pieces():
                answer = self.wholes[piece.index]
                yield self._event([self.shape.chunk(piece, answer)], more)
                answer.add(piece)
            if with_usage:
                yield self._event([], {"usage": self._usage()})
            yield b"data: [DONE]\n\n"
        except Exception as error:  # the head is out: what is left is to say so in the stream
            yield b"data: " + as_json(refusal_of(error).body) + b"\n\n"
        finally:
            self.told.leave()

    async def _pieces(self) -> AsyncIterator[Piece]:
        """Yield the pieces, counted."""
        name, first = self.model.name, True
        self.metrics.prompt_tokens.labels(name).inc(self.prompt_tokens)
        async for piece in self.told.pieces():
            if first:
                waited = time.perf_counter() - self.started
                self.metrics.first_token.labels(name).observe(waited)
                first = False
            self.metrics.new_tokens.labels(name).inc(len(piece.tokens))
            yield piece

    def _event(self, choices: Sequence[Json], more: Json) -> bytes:
        told = {**self._head(self.shape.chunk_kind), "choices": choices, **more}
        return b"data: " + as_json(told) + b"\n\n"

    def _head(self, kind: str) -> Json:
        return {
            "id": self.shape.prefix + self.identity,
            "object": kind,
            "created": int(time.time()),
            "model": self.model.name,
            "system_fingerprint": self.model.source.variant,
        }

    def _usage(self) -> Json:
        made = sum(len(answer.tokens) for answer in self.wholes)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": made,
            "total_tokens": self.prompt_tokens + made,
            "prompt_tokens_details": {"cached_tokens": sum(self.told.known[:: self.asked.n or 1])},
        }


def chat(
    model: ServedModel, asked: ChatRequest, options: ServeOptions, metrics: Metrics
) -> Completion:
    """Return the answers to a conversation.

    Raises:
        RefusedError: The model does not chat, or cannot do what is asked.
        QueueFullError: As many requests wait as may.
        UsageError: The conversation is too long, or there is no chat template.
    """
    if model.generator is None:
        raise RefusedError(400, f"{model.name} answers no chats", param="model")
    prompt = model.source.tokenizer.chat([turn.plain() for turn in asked.messages])
    most = asked.max_completion_tokens or asked.max_tokens
    if asked.top_logprobs is not None and not asked.logprobs:
        raise RefusedError(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    shape = ChatShape(model.source.tokenizer.bytes_of, bool(asked.logprobs))
    logprobs = (asked.top_logprobs or 0) if asked.logprobs else None
    return _completion(model, asked, [prompt], most, logprobs, shape, options, metrics)


def complete(
    model: ServedModel, asked: CompletionRequest, options: ServeOptions, metrics: Metrics
) -> Completion:
    """Return what continues one or more prompts, or answers them with an encoder and a decoder.

    Raises:
        RefusedError: The model generates no text, or cannot do what is asked.
        QueueFullError: As many requests wait as may.
        UsageError: A prompt is too long.
    """
    shape = CompletionShape(model.source.tokenizer.bytes_of, asked.logprobs is not None)
    if "generate" in model.batchers:
        return _whole(model, asked, shape, options, metrics)
    if model.generator is None:
        raise RefusedError(400, f"{model.name} generates no text", param="model")
    prompts = [_ids(model, prompt) for prompt in _prompts(asked)]
    return _completion(
        model, asked, prompts, asked.max_tokens, asked.logprobs, shape, options, metrics
    )


def _completion(
    model: ServedModel,
    asked: Choosing,
    prompts: Sequence[Sequence[int]],
    most: int | None,
    logprobs: int | None,
    shape: Shape,
    options: ServeOptions,
    metrics: Metrics,
) -> Completion:
    each = asked.n or 1
    rows = [prompt for prompt in prompts for _ in range(each)]
    if len(rows) > MOST_ANSWERS:
        raise RefusedError(400, f"{len(rows)} answers at once, at most {MOST_ANSWERS}", param="n")
    told = Answers(model, rows, _chosen(asked, most, options), asked.stops, logprobs)
    count = sum(map(len, prompts))
    return Completion(model, asked, shape, told, [Whole() for _ in rows], count, metrics)


def _whole(
    model: ServedModel,
    asked: CompletionRequest,
    shape: Shape,
    options: ServeOptions,
    metrics: Metrics,
) -> Completion:
    """Return the answers of a model with an encoder."""
    texts = _prompts(asked)
    if not all(isinstance(text, str) for text in texts):
        raise RefusedError(400, f"{model.name} takes texts, not ids", param="prompt")
    for refused, name in (((asked.n or 1) > 1, "n"), (asked.logprobs is not None, "logprobs")):
        if refused:
            raise RefusedError(400, f"{model.name} does not take {name}", param=name)
    sources = [text for text in texts if isinstance(text, str)]
    chosen = replace(_chosen(asked, asked.max_tokens, options), stop=asked.stops)
    told = WholeAnswers(model, sources, chosen)
    count = sum(len(model.source.tokenizer.encode(text)) for text in sources)
    return Completion(model, asked, shape, told, [Whole() for _ in sources], count, metrics)


def _prompts(asked: CompletionRequest) -> list[str | list[int]]:
    """Return the prompts, texts or ids."""
    given = asked.prompt
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(item, int) for item in given):
        return [[item for item in given if isinstance(item, int)]]
    prompts = [item for item in given if not isinstance(item, int)]
    if not given or len(prompts) != len(given):
        raise RefusedError(400, "prompt is a text, ids, or several of one kind", param="prompt")
    return prompts


def _ids(model: ServedModel, prompt: str | list[int]) -> list[int]:
    """Return the ids of a prompt."""
    if isinstance(prompt, str):
        return model.source.tokenizer.encode(prompt)
    size = model.vocabulary
    if not all(0 <= token < (size or token + 1) for token in prompt):
        raise RefusedError(400, f"ids go from 0 to {size - 1 if size else '...'}", param="prompt")
    return prompt


def _chosen(asked: Choosing, most: int | None, options: ServeOptions) -> GenerateOptions:
    """Return how tokens are chosen; without a limit, an answer takes what room there is."""
    return GenerateOptions(
        folder=options.folders[0],
        texts=("-",),
        max_new_tokens=min(most or options.max_new_tokens, options.max_new_tokens),
        temperature=asked.heat,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=asked.top_k,
        repetition_penalty=asked.repetition_penalty,
        num_beams=1,
        seed=asked.first_seed,
    )
