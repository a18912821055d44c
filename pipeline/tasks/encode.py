"""Running an encoder over texts, and the shape of all its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from pipeline.errors import UsageError
from pipeline.tasks.source import TextSource
from pipeline.tokenizer.base import Batch, Pair
from pipeline.types import Json

Row = TypeVar("Row")


@dataclass(frozen=True)
class Answers(Generic[Row]):
    """One answer per text, and what ran: an artifact's stage, or PyTorch.

    Attributes:
        rows: The answers, in the order of the texts.
        variant: What ran.
        notes: What there is to know about all of them.

    Examples:
        >>> from pipeline import EmbedOptions, embed_texts
        >>> embed_texts(EmbedOptions("encoder", ("one text", "another"))).variant
        'export'
    """

    rows: tuple[Row, ...]
    variant: str
    notes: tuple[str, ...] = ()

    def json(self) -> dict[str, Json]:
        """Return the answers as plain data."""
        rows: list[Any] = [asdict(row) for row in self.rows]  # type: ignore[call-overload]
        return {"variant": self.variant, "answers": rows, "notes": list(self.notes)}


def encoded(
    source: TextSource, texts: Sequence[str | Pair]
) -> tuple[Mapping[str, np.ndarray], Batch]:
    """Return the outputs for texts in one padded batch, and that batch.

    Raises:
        UsageError: The model wants more than a tokenizer gives.
    """
    batch = source.tokenizer.batch(texts)
    types = np.zeros_like(batch.ids) if batch.types is None else batch.types
    given = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": types}
    (runner,) = source.parts.values()
    if missing := [name for name in runner.input_names if name not in given]:
        raise UsageError(f"the model wants {', '.join(missing)}, which no tokenizer gives")
    return runner.run({name: given[name] for name in runner.input_names}), batch


def named(made: Mapping[str, np.ndarray], name: str, source: TextSource) -> np.ndarray:
    """Return one output in float64.

    Raises:
        UsageError: The model does not give it.
    """
    if name not in made:
        raise UsageError(
            f"the model gives {', '.join(made)}, not {name}",
            where=str(source.folder.path),
            fix="export it with another --task",
        )
    return made[name].astype(np.float64)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return a probability for each number."""
    result: np.ndarray = np.exp(-np.logaddexp(0.0, -logits))
    return result
