"""What encoders answer: vectors, classes, words for masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import numpy as np

from pipeline.errors import UsageError
from pipeline.tasks.options import TextOptions
from pipeline.tasks.source import TextSource
from pipeline.tokenizer.base import Batch
from pipeline.types import SILENT, Json, Progress

TOP = 5
EMBEDDING = ("feature-extraction", "fill-mask")
CLASSIFYING = ("text-classification",)
FILLING = ("fill-mask",)


@dataclass(frozen=True)
class Embedded:
    """A text and its vector of length 1.

    Examples:
        >>> from pipeline import TextOptions, embed_texts
        >>> row = embed_texts(TextOptions("encoder", "a text")).rows[0]
        >>> row.text, round(sum(x * x for x in row.vector), 6)
        ('a text', 1.0)
    """

    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True)
class Label:
    """A class of texts, and how probable it is."""

    label: str
    probability: float


@dataclass(frozen=True)
class Classified:
    """A text and its classes, likeliest first.

    Examples:
        >>> from pipeline import TextOptions, classify_texts
        >>> row = classify_texts(TextOptions("classifier", "a text")).rows[0]
        >>> row.classes[0].probability >= row.classes[1].probability
        True
    """

    text: str
    classes: tuple[Label, ...]


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


Row = TypeVar("Row", Embedded, Classified, Filled)


@dataclass(frozen=True)
class Answers(Generic[Row]):
    """One answer per text, and what ran: an artifact's stage, or PyTorch.

    Examples:
        >>> from pipeline import TextOptions, embed_texts
        >>> embed_texts(TextOptions("encoder", ("one text", "another"))).variant
        'export'
    """

    rows: tuple[Row, ...]
    variant: str

    def json(self) -> dict[str, Json]:
        """Return the answers as plain data."""
        return {"variant": self.variant, "answers": [asdict(row) for row in self.rows]}


def embed_texts(options: TextOptions, progress: Progress = SILENT) -> Answers[Embedded]:
    """Return one vector of length 1 per text: the mean of its tokens' states.

    Raises:
        UsageError: The model gives no states of tokens, or has no tokenizer.

    Examples:
        >>> from pipeline import TextOptions, embed_texts
        >>> len(embed_texts(TextOptions("encoder", ("one text", "another"))).rows)
        2
    """
    progress.step("loading")
    with TextSource.of(options, EMBEDDING) as source:
        return embed(source, options.texts)


def embed(source: TextSource, texts: Sequence[str]) -> Answers[Embedded]:
    """Return what `embed_texts` does, from a model that is open."""
    source.require(*EMBEDDING)
    made, batch = _run(source, texts)
    states = _named(made, "last_hidden_state", source)
    weights = batch.mask[..., None].astype(np.float64)
    means = (states * weights).sum(axis=1) / weights.sum(axis=1)
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    rows = (Embedded(t, tuple(vector.tolist())) for t, vector in zip(texts, vectors, strict=True))
    return Answers(tuple(rows), source.variant)


def classify_texts(options: TextOptions, progress: Progress = SILENT) -> Answers[Classified]:
    """Return the classes of every text, likeliest first, with their probabilities.

    Raises:
        UsageError: The model classifies no texts, or has no tokenizer.

    Examples:
        >>> from pipeline import TextOptions, classify_texts
        >>> [row.text for row in classify_texts(TextOptions("classifier", "so good")).rows]
        ['so good']
    """
    progress.step("loading")
    with TextSource.of(options, CLASSIFYING) as source:
        return classify(source, options.texts)


def classify(source: TextSource, texts: Sequence[str]) -> Answers[Classified]:
    """Return what `classify_texts` does, from a model that is open."""
    source.require(*CLASSIFYING)
    made, _ = _run(source, texts)
    chances = _softmax(_named(made, "logits", source))
    labels = _labels(source)
    rows = []
    for text, row in zip(texts, chances, strict=True):
        order = np.argsort(-row)[:TOP]
        classes = (Label(labels.get(str(i), f"class {i}"), float(row[i])) for i in order)
        rows.append(Classified(text, tuple(classes)))
    return Answers(tuple(rows), source.variant)


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
    with TextSource.of(options, FILLING) as source:
        return fill(source, options.texts)


def fill(source: TextSource, texts: Sequence[str]) -> Answers[Filled]:
    """Return what `fill_masks` does, from a model that is open."""
    source.require(*FILLING)
    tokenizer = source.tokenizer
    made, batch = _run(source, texts)
    logits = _named(made, "logits", source)
    rows = []
    for text, row, tokens in zip(texts, logits, batch.ids, strict=True):
        places = np.flatnonzero(tokens == tokenizer.mask_id)
        if not places.size:
            raise UsageError(f"no mask in {text!r}", fix=f"write {tokenizer.mask_token} for it")
        masks = []
        for place in places:
            chances = _softmax(row[place])
            likeliest = np.argsort(-chances)[:TOP].tolist()
            words = [tokenizer.decode([i], special=True) for i in likeliest]
            chosen = zip(words, chances[likeliest].tolist(), strict=True)
            masks.append(tuple(Word(word, chance) for word, chance in chosen))
        rows.append(Filled(text, tuple(masks)))
    return Answers(tuple(rows), source.variant)


def _run(source: TextSource, texts: Sequence[str]) -> tuple[Mapping[str, np.ndarray], Batch]:
    """Return the outputs for the texts in one padded batch, and that batch."""
    batch = source.tokenizer.batch(texts)
    types = np.zeros_like(batch.ids) if batch.types is None else batch.types
    given = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": types}
    (runner,) = source.parts.values()
    if missing := [name for name in runner.input_names if name not in given]:
        raise UsageError(f"the model wants {', '.join(missing)}, which no tokenizer gives")
    return runner.run({name: given[name] for name in runner.input_names}), batch


def _named(made: Mapping[str, np.ndarray], name: str, source: TextSource) -> np.ndarray:
    if name not in made:
        raise UsageError(
            f"the model gives {', '.join(made)}, not {name}",
            where=str(source.folder.path),
            fix="export it with another --task",
        )
    return made[name].astype(np.float64)


def _labels(source: TextSource) -> dict[str, str]:
    """Return the names of classes that came with the tokenizer's folder, if any."""
    file = source.tokenizer_folder / "labels.json"
    if not file.is_file():
        return {}
    return {str(k): str(v) for k, v in json.loads(file.read_text(encoding="utf-8")).items()}


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
