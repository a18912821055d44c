"""Vectors of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.records.task import EmbeddingSpec
from pipeline.tasks.encode import Answers, encoded, named
from pipeline.tasks.options import EmbedOptions
from pipeline.tasks.source import TextSource
from pipeline.types import SILENT, Progress

TASKS = ("feature-extraction", "fill-mask")
VECTOR = "sentence_embedding"
UNNAMED = "the checkpoint names no pooling: a vector is the mean of its tokens' states, of length 1"


@dataclass(frozen=True)
class Embedded:
    """A text and its vector.

    Examples:
        >>> from pipeline import EmbedOptions, embed_texts
        >>> row = embed_texts(EmbedOptions("encoder", "a text")).rows[0]
        >>> row.text, round(sum(x * x for x in row.vector), 6)
        ('a text', 1.0)
    """

    text: str
    vector: tuple[float, ...]


def embed_texts(options: EmbedOptions, progress: Progress = SILENT) -> Answers[Embedded]:
    """Return one vector per text, made as the checkpoint says.

    A sentence encoder's pooling and what follows it lie in its graph. Where a checkpoint names
    none, a vector is the mean of its tokens' states, of length 1, and the notes say so.

    Raises:
        UsageError: The model gives no states of tokens, has no tokenizer or no such prompt.

    Examples:
        >>> from pipeline import EmbedOptions, embed_texts
        >>> len(embed_texts(EmbedOptions("encoder", ("one text", "another"))).rows)
        2
    """
    progress.step("loading")
    with TextSource.of(options, TASKS) as source:
        return embed(source, options.texts, prompt=options.prompt, prompt_name=options.prompt_name)


def embed(
    source: TextSource, texts: Sequence[str], *, prompt: str | None = None, prompt_name: str = ""
) -> Answers[Embedded]:
    """Return what `embed_texts` does, from a model that is open.

    Args:
        source: Stays open.
        texts: One vector each.
        prompt: Stands before every text; None takes the one of `prompt_name`.
        prompt_name: One of the model's prompts; empty takes its default, if it has one.
    """
    source.require(*TASKS)
    spec = source.exported.embedding
    before = _prompt(spec, prompt, prompt_name)
    read = [_read(spec, before + text) for text in texts]
    made, batch = encoded(source, read)
    notes: tuple[str, ...] = ()
    if spec is not None:
        vectors = named(made, VECTOR, source)
    else:
        states = named(made, "last_hidden_state", source)
        weights = batch.mask[..., None].astype(np.float64)
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        vectors, notes = means / np.linalg.norm(means, axis=1, keepdims=True), (UNNAMED,)
    rows = (Embedded(t, tuple(vector.tolist())) for t, vector in zip(texts, vectors, strict=True))
    return Answers(tuple(rows), source.variant, notes)


def _read(spec: EmbeddingSpec | None, text: str) -> str:
    return text.lower() if spec is not None and spec.lower_case else text


def _prompt(spec: EmbeddingSpec | None, prompt: str | None, name: str) -> str:
    """Return what stands before each text.

    Raises:
        UsageError: The model has no prompt of that name, or leaves prompts out of its pooling.
    """
    known = spec.prompts if spec is not None else {}
    name = name or (spec.default_prompt if spec is not None and prompt is None else "") or ""
    if prompt is None and name and name not in known:
        raise UsageError(
            f"the model has no prompt {name!r}",
            fix=f"it has {', '.join(map(repr, known)) or 'none'}; give one with --prompt",
        )
    found = known.get(name, "") if prompt is None else prompt
    if found and spec is not None and not spec.pools_prompt:
        raise UsageError(
            "the model leaves its prompts out of the pooling, which its graph cannot",
            fix="embed without a prompt: --prompt ''",
        )
    return found
