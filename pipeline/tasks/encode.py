"""What encoders answer: vectors, classes, words for masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.tasks.options import TextOptions
from pipeline.tasks.source import TextSource
from pipeline.types import SILENT, Json, Progress

TOP = 5


@dataclass(frozen=True)
class Answers:
    """One answer per text, as plain data, and what ran."""

    rows: tuple[dict[str, Json], ...]
    variant: str

    def json(self) -> dict[str, Json]:
        """Return the answers as plain data."""
        return {"variant": self.variant, "answers": list(self.rows)}


def embed_texts(options: TextOptions, progress: Progress = SILENT) -> Answers:
    """Return one vector of length 1 per text: the mean of its tokens' states.

    Raises:
        UsageError: The model gives no states of tokens, or has no tokenizer.
    """
    progress.step("loading")
    with TextSource(options, ("feature-extraction", "fill-mask")) as source:
        made, mask, _ = _run(source, options)
        states = _named(made, "last_hidden_state", source)
        weights = mask[..., None].astype(np.float64)
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        rows: list[dict[str, Json]] = [
            {"text": text, "vector": [float(x) for x in vector]}
            for text, vector in zip(options.texts, vectors, strict=True)
        ]
        return Answers(tuple(rows), source.variant)


def classify_texts(options: TextOptions, progress: Progress = SILENT) -> Answers:
    """Return the classes of every text, likeliest first, with their probabilities.

    Raises:
        UsageError: The model classifies no texts, or has no tokenizer.
    """
    progress.step("loading")
    with TextSource(options, ("text-classification",)) as source:
        made, _, _ = _run(source, options)
        chances = _softmax(_named(made, "logits", source))
        labels = _labels(source)
        rows: list[dict[str, Json]] = []
        for text, row in zip(options.texts, chances, strict=True):
            order = np.argsort(-row)[:TOP]
            classes: list[Json] = [
                {"label": labels.get(str(i), f"class {i}"), "probability": float(row[i])}
                for i in order
            ]
            rows.append({"text": text, "classes": classes})
        return Answers(tuple(rows), source.variant)


def fill_masks(options: TextOptions, progress: Progress = SILENT) -> Answers:
    """Return the likeliest words for the masked places of every text.

    Raises:
        UsageError: The model fills no masks, or a text has none.
    """
    progress.step("loading")
    with TextSource(options, ("fill-mask",)) as source:
        tokenizer = source.tokenizer()
        made, _, ids = _run(source, options)
        logits = _named(made, "logits", source)
        rows: list[dict[str, Json]] = []
        for text, row, tokens in zip(options.texts, logits, ids, strict=True):
            places = np.flatnonzero(tokens == tokenizer.mask_token_id)
            if not places.size:
                raise UsageError(f"no mask in {text!r}", fix=f"write {tokenizer.mask_token} for it")
            words: list[Json] = []
            for place in places:
                chances = _softmax(row[place])
                words.append([
                    {"word": str(tokenizer.decode([int(i)])), "probability": float(chances[i])}
                    for i in np.argsort(-chances)[:TOP]
                ])  # fmt: skip
            rows.append({"text": text, "masks": words})
        return Answers(tuple(rows), source.variant)


def _run(
    source: TextSource, options: TextOptions
) -> tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return the outputs, the mask and the ids of the texts in one padded batch."""
    tokenizer = source.tokenizer()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    encoded = tokenizer(list(options.texts), padding=True, truncation=True, return_tensors="np")
    (runner,) = source.parts.values()
    missing = [n for n in runner.input_names if n not in encoded]
    feeds = {name: np.asarray(encoded[name], np.int64) for name in runner.input_names
             if name in encoded}  # fmt: skip
    for name in missing:
        if name != "token_type_ids":
            raise UsageError(f"the model wants {name}, which no tokenizer gives")
        feeds[name] = np.zeros_like(feeds["input_ids"])
    mask = np.asarray(encoded["attention_mask"])
    return runner.run(feeds), mask, np.asarray(encoded["input_ids"])


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
