"""The tokenizer that travels with an artifact, and what a decoding loop has to know."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import BadModelError, first_line
from pipeline.stages.export.checkpoint import Checkpoint
from pipeline.stages.export.exporters import quiet
from pipeline.stages.export.hf_inputs import known_positions
from pipeline.stages.export.options import ExportOptions
from pipeline.types import Json

Writer = Callable[[Path], None]
PREPROCESSOR = "preprocessor_config.json"
GENERATION = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",
              "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens",
              "begin_suppress_tokens", "max_length")  # fmt: skip


def tokenizer_writer(checkpoint: Checkpoint, options: ExportOptions) -> Writer | None:
    """Return what saves the checkpoint's tokenizer, or None if no file of one lies there.

    Raises:
        BadModelError: There are files of a tokenizer, and they cannot be read.
    """
    pre = checkpoint.folder / PREPROCESSOR
    if not checkpoint.tokenizer:
        return (lambda folder: _copy(pre, folder)) if pre.is_file() else None
    tokenizer = _load(checkpoint, options)

    def save(folder: Path) -> None:
        with quiet():
            tokenizer.save_pretrained(folder)
        if pre.is_file():
            _copy(pre, folder)

    return save


def _load(checkpoint: Checkpoint, options: ExportOptions) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                trust_remote_code=options.trust_remote_code,
                **({"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}),
            )
    except Exception as err:
        raise BadModelError(
            f"the tokenizer cannot be read: {type(err).__name__}: {first_line(err)}",
            where=str(checkpoint.folder),
            fix="download its files again, or remove all of them to export without one",
        ) from err


def _copy(file: Path, folder: Path) -> None:
    shutil.copyfile(file, folder / file.name)


def generation_facts(model: Any) -> dict[str, Json] | None:
    """Return the special tokens and lengths of a Hugging Face model that generates, else None."""
    config = getattr(model, "generation_config", None)
    if config is None:
        return None
    found: dict[str, Json] = {}
    for name in GENERATION:
        value = getattr(config, name, None)
        if value is not None:
            found[name] = list(value) if isinstance(value, list | tuple) else value
    told = getattr(model, "config", None)
    if told is not None and not getattr(told, "is_encoder_decoder", False):
        positions = known_positions(model)
        found |= {"max_length": positions} if positions is not None else {}
    return found


def preset_generation(model: Any) -> dict[str, Json] | None:
    """Return the special tokens of a model of ours that generates, else None."""
    config = getattr(model, "config", None)
    found: dict[str, Json] = {}
    for kind in ("bos", "eos", "pad"):
        value = getattr(config, f"{kind}_id", None)
        if isinstance(value, int):
            found[f"{kind}_token_id"] = value
    if "bos_token_id" in found and hasattr(config, "source_vocab"):
        found["decoder_start_token_id"] = found["bos_token_id"]
    length = getattr(config, "max_length", None)
    return {**found, "max_length": length} if found and isinstance(length, int) else found or None
