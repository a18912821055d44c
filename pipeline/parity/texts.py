"""Texts to compare on, and their ids from the folder's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.presets import PRESETS
from pipeline.errors import UsageError
from pipeline.records.export import ModelSource
from pipeline.tokenizer.base import padded

DEFAULT_TEXTS = (
    "The cat sat on the mat.",
    "What does attention compute?",
    "A longer sentence, with a comma or two, so that rows of a batch differ in length.",
    "1 + 1 = 2, and 3.14 is near pi.",
    "def add(a, b): return a + b",
    "Ein Satz auf Deutsch mit Umlauten: größer, schöner.",
    "我今天很开心。",
    "x",
)
"""For models that come with a tokenizer but no texts of their own."""


def read_texts(path: Path) -> list[str]:
    """Return the non-empty lines of a UTF-8 file.

    Raises:
        UsageError: it cannot be read, or holds no text.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"cannot read the texts: {err}", where=str(path)) from err
    texts = [line for line in lines if line]
    if not texts:
        raise UsageError("the file holds no text", where=str(path), fix="one text per line")
    return texts


class Texts:
    """Encodes and decodes with `tokenizer.json` of an artifact folder.

    Args:
        folder: The tokenizer's folder.
        pad_id: Fills up shorter rows.
        longest: Most ids of one text; longer ones are cut.

    Raises:
        UsageError: there is no tokenizer that can be read.
    """

    def __init__(self, folder: Path, pad_id: int, longest: int) -> None:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as err:  # the library raises plain Exception
            raise UsageError(f"cannot read the tokenizer: {err}", where=str(path)) from err
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)
        self.pad_id = pad_id

    def encode(self, texts: Sequence[str], left: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and mask [B, S], padded to the longest text, on the left for prompts."""
        rows = [list(found.ids) for found in self._tokenizer.encode_batch(list(texts))]
        real = [[1] * len(row) for row in rows]
        return padded(rows, self.pad_id, left=left), padded(real, 0, left=left)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def unseen_texts(model: ModelSource, count: int) -> list[str]:
    """Return texts that suit the model: a trained preset's held-out sentences, else any texts.

    Args:
        model: What was exported.
        count: Most texts to return.
    """
    own = PRESETS[model.source].unseen_texts() if model.kind == "preset" else ()
    return list((own or DEFAULT_TEXTS)[:count])
