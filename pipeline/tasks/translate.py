"""Translating with an encoder and a decoder; words the model never saw are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import Generation, generate_rows
from pipeline.types import SILENT, Progress

if TYPE_CHECKING:
    from models.zh_en.tokenizer import SentenceTokenizer

TASKS = ("translation", "text2text-generation")


def translate_texts(options: GenerateOptions, progress: Progress = SILENT) -> Generation:
    """Return the translation of every text.

    Words outside the vocabulary are named in the notes: what stands for them is a guess.

    Raises:
        UsageError: The model does not translate, or a text is too long.
        EnvironmentMissingError: The runner's runtime or GPU is absent.

    Examples:
        >>> from pipeline import GenerateOptions, translate_texts
        >>> translate_texts(GenerateOptions("translator", "我今天很开心")).texts
        ("I'm happy today",)
    """
    progress.step("loading")
    with TextSource.of(options, TASKS) as source:
        return translate(source, options)


def translate(source: TextSource, options: GenerateOptions) -> Generation:
    """Return what `translate_texts` does, from a model that is open.

    Args:
        source: Stays open; its folder and runner count, not those of the options.
        options: Texts and how to choose tokens.
    """
    source.require(*TASKS)
    notes: tuple[str, ...] = ()
    if (sentences := source.sentences) is not None:
        rows = [_row(sentences, text) for text in options.texts]
        notes = tuple(_doubts(sentences, options.texts))
    else:
        rows = [source.tokenizer.encode(text) for text in options.texts]
    limit, asked = source.generation.max_length, options.max_new_tokens
    if limit is not None and asked is not None:
        options = replace(options, max_new_tokens=min(asked, limit - 1))
    made = generate_rows(source, options, source.tokenizer, rows)
    return replace(made, texts=tuple(text.strip() for text in made.texts), notes=notes)


def _row(sentences: SentenceTokenizer, text: str) -> list[int]:
    """Return the ids of a text without padding."""
    (ids,), (mask,) = sentences.encode([text])
    return [token for token, real in zip(ids, mask, strict=True) if real]


def _doubts(sentences: SentenceTokenizer, texts: Sequence[str]) -> Iterator[str]:
    """Yield a warning for each text that the tokenizer cannot fully read."""
    for text in texts:
        if words := sentences.unknown_words(text):
            yield f"not in the vocabulary, so guessed: {', '.join(words)} (in: {text})"
        if sentences.truncated(text):
            yield f"longer than the model reads, so cut: {text[:40]}..."
