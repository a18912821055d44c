"""Classes of texts, and of pairs of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.records.task import ClassesSpec, ScoreFunction
from pipeline.tasks.encode import Answers, encoded, named, sigmoid, softmax
from pipeline.tasks.options import ClassifyOptions
from pipeline.tasks.source import TextSource
from pipeline.tokenizer.base import Pair
from pipeline.types import SILENT, Progress

TOP = 5
TASKS = ("text-classification",)


@dataclass(frozen=True)
class Label:
    """A class of texts.

    Attributes:
        label: Its name.
        probability: None where the model's scores stand for no probabilities.
        logit: The score itself.
    """

    label: str
    probability: float | None
    logit: float


@dataclass(frozen=True)
class Classified:
    """A text and its classes, likeliest first.

    Attributes:
        text: The text, or the first of a pair.
        classes: The likeliest ones of classes of which one holds; all where each may.
        pair: The second text of a pair, None where there is none.

    Examples:
        >>> from pipeline import ClassifyOptions, classify_texts
        >>> row = classify_texts(ClassifyOptions("classifier", "a text")).rows[0]
        >>> row.classes[0].probability >= row.classes[1].probability
        True
    """

    text: str
    classes: tuple[Label, ...]
    pair: str | None = None


def classify_texts(options: ClassifyOptions, progress: Progress = SILENT) -> Answers[Classified]:
    """Return the classes of every text, likeliest first, with their probabilities.

    Probabilities are what the checkpoint says: of one class among all, or of each for itself; a
    single score is one of its own, and a regression has none.

    Raises:
        UsageError: The model classifies no texts, or has no tokenizer.

    Examples:
        >>> from pipeline import ClassifyOptions, classify_texts
        >>> [row.text for row in classify_texts(ClassifyOptions("classifier", "so good")).rows]
        ['so good']
    """
    progress.step("loading")
    with TextSource.of(options, TASKS) as source:
        pairs = [(text, options.pair) for text in options.texts]
        return classify(source, pairs if options.pair else options.texts)


def classify(source: TextSource, texts: Sequence[str | Pair]) -> Answers[Classified]:
    """Return what `classify_texts` does, from a model that is open.

    Args:
        source: Stays open.
        texts: Each a text, or two that the model reads together.
    """
    source.require(*TASKS)
    logits, chances, spec = scored(source, texts)
    rows = []
    for text, scores, row in zip(texts, logits, chances, strict=True):
        order = np.argsort(-scores, kind="stable")
        if spec.function == "softmax":
            order = order[:TOP]
        classes = (
            Label(spec.labels[i], _probability(row[i], spec), float(scores[i])) for i in order
        )
        first, second = (text, None) if isinstance(text, str) else text
        rows.append(Classified(first, tuple(classes), second))
    return Answers(tuple(rows), source.variant)


def scored(
    source: TextSource, texts: Sequence[str | Pair]
) -> tuple[np.ndarray, np.ndarray, ClassesSpec]:
    """Return scores [N, C], what the checkpoint makes of them [N, C], and what they stand for."""
    made, _ = encoded(source, texts)
    logits = named(made, "logits", source)
    logits = logits.reshape(len(texts), -1)
    spec = source.exported.classes
    if spec is None or len(spec.labels) != logits.shape[1]:  # a graph that nobody named
        names = tuple(f"class {place}" for place in range(logits.shape[1]))
        spec = ClassesSpec(labels=names, function="sigmoid" if len(names) == 1 else "softmax")
    functions: dict[ScoreFunction, Callable[[np.ndarray], np.ndarray]]
    functions = {"softmax": softmax, "sigmoid": sigmoid, "none": np.asarray}
    return logits, functions[spec.function](logits), spec


def _probability(value: float, spec: ClassesSpec) -> float | None:
    return None if spec.function == "none" else float(value)
