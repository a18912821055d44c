"""Continuing prompts, and answering sources with an encoder and a decoder."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import UsageError
from pipeline.stages.runners.decoding import Decoder
from pipeline.tasks.chat import conversation
from pipeline.tasks.clock import Sink, TokenClock
from pipeline.tasks.language import from_language, language_id
from pipeline.tasks.one_beam import answer, asks_for_more
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.request import Request
from pipeline.tasks.room import before_new_angles, fitted, room_of
from pipeline.tasks.settings import settled
from pipeline.tasks.source import TextSource
from pipeline.tokenizer.base import TextTokenizer, padded
from pipeline.types import SILENT, Json, Progress

TASKS = ("text-generation", "text2text-generation", "translation")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Generation:
    """Answers, and what making them took.

    Attributes:
        texts: One answer per prompt.
        tokens: Their ids, the end mark left out.
        variant: What ran: an artifact's stage, or PyTorch.
        first_token_s: Seconds to the first token of the batch.
        seconds: Seconds in all, after loading.
        notes: Warnings, such as truncation.
        streamed: Whether a listener was told the text as it came.

    Examples:
        >>> import pipeline
        >>> with pipeline.load("translator") as model:
        ...     made = model.translate("我今天很开心")
        >>> made.texts, len(made.tokens), made.notes
        (("I'm happy today",), 1, ())
    """

    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    variant: str
    first_token_s: float
    seconds: float
    notes: tuple[str, ...] = ()
    streamed: bool = False

    @property
    def tokens_per_s(self) -> float:
        """New tokens per second after the first, over all rows."""
        rest = sum(len(row) for row in self.tokens) - len(self.tokens)
        left = self.seconds - self.first_token_s
        return rest / left if rest > 0 and left > 0 else 0.0

    def json(self) -> dict[str, Json]:
        """Return the generation as plain data."""
        return {
            "texts": list(self.texts),
            "tokens": [list(row) for row in self.tokens],
            "variant": self.variant,
            "first_token_s": self.first_token_s,
            "seconds": self.seconds,
            "tokens_per_s": self.tokens_per_s,
            "notes": list(self.notes),
        }


def generate_texts(
    options: GenerateOptions, progress: Progress = SILENT, stream: Sink | None = None
) -> Generation:
    """Return an answer to every prompt, from the artifact in a folder.

    Args:
        options: Folder, prompts, runner and how to choose tokens.
        progress: Told what is loading.
        stream: Given the text of a single greedy or sampled answer as it appears.

    Raises:
        UsageError: The model generates no text, has no tokenizer, or a prompt is too long.
        EnvironmentMissingError: The runner's runtime or GPU is absent.

    Examples:
        >>> from pipeline import GenerateOptions, generate_texts
        >>> made = generate_texts(GenerateOptions("storyteller", "Once upon", max_new_tokens=8))
        >>> len(made.tokens[0])
        8
    """
    progress.step("loading")
    with TextSource.of(options, TASKS, huge_pages=options.huge_pages) as source:
        return generate(source, options, stream)


def generate(
    source: TextSource, options: GenerateOptions, stream: Sink | None = None
) -> Generation:
    """Return an answer to every prompt, from a model that is open.

    Args:
        source: Stays open; its folder and runner count, not those of the options.
        options: Prompts and how to choose tokens.
        stream: Given the text of a single greedy or sampled answer as it appears.

    Raises:
        UsageError: The model generates no text, has no tokenizer, or a prompt is too long.
    """
    source.require(*TASKS)
    tokenizer = source.tokenizer
    rows = [
        tokenizer.chat(conversation(options, text)) if options.chat else tokenizer.encode(text)
        for text in options.texts
    ]
    return generate_rows(source, options, tokenizer, rows, stream)


def generate_rows(
    source: TextSource,
    options: GenerateOptions,
    tokenizer: TextTokenizer,
    rows: Sequence[Sequence[int]],
    stream: Sink | None = None,
) -> Generation:
    """Return answers for prompts given as ids, with an open source."""
    _check_rows(rows)
    decoder, special = source.decoder, source.generation
    left = decoder.encoder is None
    room = room_of(special, decoder.capacity)
    settings, notes = fitted(
        settled(options, special, has_encoder=not left), rows, room, has_encoder=not left
    )
    settings, more = before_new_angles(settings, rows, special)
    notes += more
    if options.source_lang:
        rows = [from_language(tokenizer, row, options.source_lang) for row in rows]
    if options.target_lang:
        first = language_id(tokenizer, options.target_lang)
        special = replace(special, forced_bos_token_id=first)
    streams = stream is not None and len(rows) == 1 and settings.num_beams == 1
    clock = TokenClock(tokenizer.decode if streams else None, stream)
    request = Request(
        padded(rows, special.filling, left=left),
        padded([[1] * len(row) for row in rows], 0, left=left),
        settings, special, tokenizer, clock,
    )  # fmt: skip
    started = time.perf_counter()
    made = _answers(decoder, request)
    seconds = time.perf_counter() - started
    tokens = tuple(_trimmed(row.tolist(), request) for row in made)
    texts = tuple(_shown(tokenizer, row, settings.stop) for row in tokens)
    waited = clock.first - started
    return Generation(texts, tokens, source.variant, waited, seconds, notes, streams)


def _answers(decoder: Decoder, request: Request) -> np.ndarray:
    """Return the ids of the answers [B, T]."""
    if not (asked := asks_for_more(request)):
        return answer(decoder, request)
    _LOG.info("transformers chooses the tokens, for the sake of %s", ", ".join(asked))
    from pipeline.tasks.beams import search

    return search(decoder, request)


def _check_rows(rows: Sequence[Sequence[int]]) -> None:
    for number, row in enumerate(rows, 1):
        if not row:
            raise UsageError(f"text {number} is empty: it gives no token to start from")


def _trimmed(row: list[int], request: Request) -> tuple[int, ...]:
    """Return the ids up to the end mark, without what filled the row up behind its end."""
    special = request.special
    end = next((place for place, token in enumerate(row) if token in special.ends), len(row))
    while end and row[end - 1] == special.filling:
        end -= 1
    return tuple(row[:end])


def _shown(tokenizer: TextTokenizer, row: Sequence[int], stop: Sequence[str]) -> str:
    text = tokenizer.decode(row)
    cuts = [text.find(word) for word in stop if word in text]
    return text[: min(cuts)] if cuts else text
