"""The tokenizer of a folder, by the shortest way there is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pipeline.errors import FolderError
from pipeline.received_json import parse_json
from pipeline.records.tokenizer import FILE as RECORD
from pipeline.records.tokenizer import TokenizerRecord
from pipeline.tokenizer.base import TextTokenizer

_LOG = logging.getLogger(__name__)
FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"


def open_tokenizer(folder: Path) -> TextTokenizer:
    """Return the tokenizer kept in a folder; the log says if transformers had to be imported.

    Raises:
        BadModelError: A file of it cannot be read.
        FolderError: What the export said about it cannot be read.
    """
    from pipeline.tokenizer.fast import FastTokenizer, read_file

    record = record_of(folder)
    if record is None and not (folder / CONFIG).is_file():
        tokenizer = read_file(folder / FILE)
        return FastTokenizer(tokenizer, _alone(tokenizer))
    if record is not None and not record.reason:
        return FastTokenizer(read_file(folder / record.file), record)
    why = "it was exported by an older version" if record is None else record.reason
    _LOG.info("transformers reads the tokenizer: %s", why)
    from pipeline.tokenizer.through_transformers import TransformersTokenizer

    return TransformersTokenizer.from_folder(folder)


def record_of(folder: Path) -> TokenizerRecord | None:
    """Return what the export said about the tokenizer in a folder, None where it said nothing.

    Raises:
        FolderError: It cannot be read.
    """
    path = folder / RECORD
    try:
        told = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise FolderError(
            f"cannot be read: {err}", where=str(path), fix="export the model again"
        ) from err
    return TokenizerRecord.from_json(told, str(path))


def _alone(tokenizer: Any) -> TokenizerRecord:
    """Return how a tokenizer is used that has a file of the tokenizers library and no other."""
    padding, truncation = tokenizer.padding or {}, tokenizer.truncation or {}
    pad = padding.get("pad_token")
    return TokenizerRecord(
        special_tokens={} if pad is None else {"pad_token": pad},
        pad_token=pad,
        pad_type_id=padding.get("pad_type_id", 0),
        padding_side=padding.get("direction", "right"),
        truncation_side=truncation.get("direction", "right"),
        token_types=True,
    )
