"""Inputs that a text gives: windows of its tokens, as the exported model takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.artifacts import Artifact
from pipeline.errors import UsageError
from pipeline.records.export import ExportRecord
from pipeline.records.tensors import TensorSpec

WINDOWS, LENGTH = 64, 128  # about as many tokens as the loss still falls with
LEAST = 256  # tokens
PAST = "past_key_values."
_BY_HAND = "give --inputs, arrays of your own"


def calibration_of(text: Path, exported: Artifact) -> dict[str, np.ndarray]:
    """Return inputs by name: up to 64 windows of 128 tokens, spread over the text.

    Args:
        text: A UTF-8 file.
        exported: The artifact whose tokenizer reads it.

    Raises:
        UsageError: The text is short or no text, there is no tokenizer, or the model takes
            something that a text does not give.
    """
    record = ExportRecord.of(exported)
    if len(record.parts) != 1:
        raise UsageError("a model of several parts takes more than a text", fix=_BY_HAND)
    if record.tokenizer is None:
        raise UsageError("no tokenizer came with this model", fix=_BY_HAND)
    ids = _ids(text, exported.folder / record.tokenizer)
    length = min(LENGTH, len(ids))
    count = min(WINDOWS, len(ids) // length)
    starts = np.linspace(0, len(ids) - length, count).astype(np.int64)
    windows = np.stack([ids[start : start + length] for start in starts])
    return {entry.name: _made(entry, windows) for entry in record.last_part.inputs}


def _ids(text: Path, tokenizer: Path) -> np.ndarray:
    from pipeline.tokenizer.open import open_tokenizer

    try:
        said = text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the text cannot be read: {error}", where=str(text)) from error
    ids = open_tokenizer(tokenizer).encode(said)  # as one text: no special tokens between lines
    if len(ids) < LEAST:
        raise UsageError(
            f"a text of {len(ids)} tokens shows too little, {LEAST} are the least",
            where=str(text),
            fix="give a longer one, of the kind the model will read",
        )
    return np.asarray(ids, np.int64)


def _made(entry: TensorSpec, windows: np.ndarray) -> np.ndarray:
    """Return one input for windows [B, S] of ids."""
    rows, length = windows.shape
    simple: dict[str, Callable[[], np.ndarray]] = {
        "input_ids": lambda: windows,
        "attention_mask": lambda: np.ones_like(windows),
        "token_type_ids": lambda: np.zeros_like(windows),
        "position_ids": lambda: np.broadcast_to(np.arange(length), windows.shape),
    }
    if entry.name in simple and len(entry.shape) == 2:
        return simple[entry.name]().astype(entry.dtype)
    match entry.shape:
        case (_, int(heads), str(), int(size)) if entry.name.startswith(PAST):
            return np.zeros((rows, heads, 0, size), entry.dtype)
    raise UsageError(f"a text gives no {entry.name} {list(entry.shape)}", fix=_BY_HAND)
