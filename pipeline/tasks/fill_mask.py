"""Words for the masked places of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.tasks.encode import Answers, encoded, named, softmax
from pipeline.tasks.options import TextOptions
from pipeline.tasks.source import TextSource
from pipeline.types import SILENT, Progress

TOP = 5
TASKS = ("fill-mask",)


@dataclass(frozen=True)
class Word:
    """A word for a masked place, and how probable it is."""

    word: str
    probability: float


@dataclass(frozen=True)
class Filled:
    """A text and, for each of its masked places, the likeliest words.

    Examples:
        >>> from pipeline import TextOptions, fill_masks
        >>> row = fill_masks(TextOptions("word-guesser", "The [MASK] sat.")).rows[0]
        >>> len(row.masks), len(row.masks[0])
        (1, 5)
    """

    text: str
    masks: tuple[tuple[Word, ...], ...]


def fill_masks(options: TextOptions, progress: Progress = SILENT) -> Answers[Filled]:
    """Return the likeliest words for the masked places of every text.

    Raises:
        UsageError: The model fills no masks, or a text has none.

    Examples:
        >>> from pipeline import TextOptions, fill_masks
        >>> [row.text for row in fill_masks(TextOptions("word-guesser", "The [MASK] sat.")).rows]
        ['The [MASK] sat.']
    """
    progress.step("loading")
    with TextSource.of(options, TASKS) as source:
        return fill(source, options.texts)


def fill(source: TextSource, texts: Sequence[str]) -> Answers[Filled]:
    """Return what `fill_masks` does, from a model that is open."""
    source.require(*TASKS)
    tokenizer = source.tokenizer
    made, batch = encoded(source, texts)
    logits = named(made, "logits", source)
    rows = []
    for text, row, tokens in zip(texts, logits, batch.ids, strict=True):
        places = np.flatnonzero(tokens == tokenizer.mask_id)
        if not places.size:
            raise UsageError(f"no mask in {text!r}", fix=f"write {tokenizer.mask_token} for it")
        masks = []
        for place in places:
            chances = softmax(row[place])
            likeliest = np.argsort(-chances)[:TOP].tolist()
            words = [tokenizer.decode([i], special=True) for i in likeliest]
            chosen = zip(words, chances[likeliest].tolist(), strict=True)
            masks.append(tuple(Word(word, chance) for word, chance in chosen))
        rows.append(Filled(text, tuple(masks)))
    return Answers(tuple(rows), source.variant)
