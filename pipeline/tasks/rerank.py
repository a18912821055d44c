"""How well documents answer a query, by a model that reads both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.tasks.classify import TASKS, scored
from pipeline.tasks.encode import Answers
from pipeline.tasks.options import RerankOptions
from pipeline.tasks.source import TextSource
from pipeline.types import SILENT, Progress


@dataclass(frozen=True)
class Ranked:
    """A document and its score.

    Attributes:
        index: Its place among the documents given, from 0.
        text: The document.
        score: What the checkpoint makes of the logit: a sigmoid, or the logit itself.
        logit: The model's own number.

    Examples:
        >>> from pipeline import RerankOptions, rerank_texts
        >>> best, *_ = rerank_texts(RerankOptions("reranker", ("cats", "dogs"), query="cats?")).rows
        >>> 0 <= best.score <= 1
        True
    """

    index: int
    text: str
    score: float
    logit: float


def rerank_texts(options: RerankOptions, progress: Progress = SILENT) -> Answers[Ranked]:
    """Return documents with their scores under a query, the best first.

    Raises:
        UsageError: The model gives no single score, or has no tokenizer.

    Examples:
        >>> from pipeline import RerankOptions, rerank_texts
        >>> made = rerank_texts(RerankOptions("reranker", ("cats", "dogs"), query="cats?"))
        >>> sorted(row.index for row in made.rows)
        [0, 1]
    """
    progress.step("loading")
    with TextSource.of(options, TASKS) as source:
        return rerank(source, options.query, options.texts)


def rerank(source: TextSource, query: str, documents: Sequence[str]) -> Answers[Ranked]:
    """Return what `rerank_texts` does, from a model that is open."""
    source.require(*TASKS)
    logits, scores, spec = scored(source, [(query, document) for document in documents])
    if logits.shape[1] != 1:
        raise UsageError(
            f"this model tells {len(spec.labels)} classes apart, and gives no single score",
            where=str(source.folder.path),
            fix="use `pipeline classify DIR TEXT --pair TEXT`",
        )
    order = np.argsort(-logits[:, 0], kind="stable")
    rows = (Ranked(int(i), documents[i], float(scores[i, 0]), float(logits[i, 0])) for i in order)
    return Answers(tuple(rows), source.variant)
