"""The tokenizer that travels with an artifact, and what a decoding loop has to know."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pipeline.errors import BadModelError, first_line
from pipeline.records.export import SPECIAL, GenerationSpec
from pipeline.records.record import read
from pipeline.stages.export.checkpoint import Checkpoint
from pipeline.stages.export.exporters import quiet
from pipeline.stages.export.hf_inputs import known_positions
from pipeline.stages.export.options import ExportOptions

Writer = Callable[[Path], None]
# Settings of transformers' generation that change how it works, and not which tokens come.
NEUTRAL = frozenset((
    "transformers_version", "use_cache", "max_time", "max_new_tokens", "prompt_lookup_num_tokens",
    "max_matching_ngram_size", "compile_config", "disable_compile", "trust_remote_code",
    "return_dict_in_generate", "token_healing", "num_return_sequences", "is_assistant",
))  # fmt: skip
NEUTRAL_BEGINNINGS = ("output_", "cache_", "num_assistant_tokens", "assistant_", "prefill_")
PREPROCESSOR = "preprocessor_config.json"


def tokenizer_writer(checkpoint: Checkpoint, options: ExportOptions) -> Writer | None:
    """Return what saves the checkpoint's tokenizer, or None if no file of one lies there.

    Raises:
        BadModelError: There are files of a tokenizer, and they cannot be read.
    """
    pre = checkpoint.texts / PREPROCESSOR
    if not checkpoint.tokenizer:
        return (lambda folder: _copy(pre, folder)) if pre.is_file() else None
    tokenizer = _load(checkpoint, options)
    if checkpoint.sentence is not None and (longest := checkpoint.sentence.max_length):
        tokenizer.model_max_length = min(tokenizer.model_max_length, longest)

    def save(folder: Path) -> None:
        with quiet():
            tokenizer.save_pretrained(folder)
        if pre.is_file():
            _copy(pre, folder)

    return save


def padding_id(checkpoint: Checkpoint, options: ExportOptions) -> int | None:
    """Return the id that text commands fill up shorter texts with, None where there is none.

    It is the tokenizer's padding token, or else its end mark, unless that ends every text.
    """
    if not checkpoint.tokenizer:
        return None
    tokenizer = _load(checkpoint, options)
    found: int | None = tokenizer.pad_token_id
    if found is None and tokenizer.eos_token_id not in tokenizer("a")["input_ids"]:
        found = tokenizer.eos_token_id
    return found


def _load(checkpoint: Checkpoint, options: ExportOptions) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(
                checkpoint.texts,
                local_files_only=True,
                trust_remote_code=options.trust_remote_code,
                **({"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}),
            )
    except Exception as err:
        raise BadModelError(
            f"the tokenizer cannot be read: {type(err).__name__}: {first_line(err)}",
            where=str(checkpoint.texts),
            fix="download its files again, or remove all of them to export without one",
        ) from err


def _copy(file: Path, folder: Path) -> None:
    shutil.copyfile(file, folder / file.name)


def generation_spec(model: Any) -> GenerationSpec | None:
    """Return the special tokens and lengths of a Hugging Face model that generates, else None.

    Raises:
        BadModelError: its configuration holds something else in their places.
    """
    config = getattr(model, "generation_config", None)
    if config is None:
        return None
    known = {name: getattr(config, name, None) for name in SPECIAL}
    found = {name: value for name, value in known.items() if value is not None}
    found |= {"own": own} if (own := _own_settings(config, SPECIAL)) else {}
    found |= {"rows_share_angles": True} if _rows_share_angles(model) else {}
    change = _angles_change_after(model)
    found |= {"angles_change_after": change} if change is not None else {}
    told = getattr(model, "config", None)
    if told is not None and not getattr(told, "is_encoder_decoder", False):
        positions = known_positions(model)
        found |= {"max_length": positions} if positions is not None else {}
    try:
        return read(GenerationSpec, found)
    except ValueError as err:
        raise BadModelError(
            f"the generation configuration cannot be used: {err}",
            where="generation_config.json",
            fix="token ids are whole numbers or lists of them, max_length is one number; take out "
            "what is neither a number, a text nor a list of these",
        ) from err


def _rows_share_angles(model: Any) -> bool:
    """Return whether transformers computes a model's rotary angles from its batch's longest row."""
    found = getattr(getattr(model, "config", None), "rope_parameters", None) or {}
    each = [found, *(one for one in found.values() if isinstance(one, dict))]  # by kind of layer
    return any(one.get("rope_type") in ("dynamic", "longrope") for one in each)


def _angles_change_after(model: Any) -> int | None:
    """Return the length behind which a model's own loop drops its cache and reads the text anew.

    Long RoPE has angles for short texts and others for long ones. Models that take care that a
    text which grows past the change has the latter throughout say the length in their
    configuration and prepare the inputs of each step by themselves; others keep what they cached.
    """
    from transformers import GenerationMixin

    told = getattr(model, "config", None)
    found = getattr(told, "rope_parameters", None) or {}
    prepares = getattr(type(model), "prepare_inputs_for_generation", None)
    if found.get("rope_type") != "longrope" or prepares is None:
        return None
    if prepares is GenerationMixin.prepare_inputs_for_generation:
        return None
    length = getattr(told, "original_max_position_embeddings", None)
    return length if isinstance(length, int) else None


def _own_settings(config: Any, known: Collection[str]) -> dict[str, Any]:
    """Return what a generation configuration changes, of what decides which tokens come."""
    from transformers import GenerationConfig

    defaults = vars(GenerationConfig())  # type: ignore[no-untyped-call]
    return {
        name: value
        for name, value in sorted(vars(config).items())
        if name in defaults and name not in known and name not in NEUTRAL
        and not name.startswith(("_", *NEUTRAL_BEGINNINGS))
        and value not in (None, defaults[name])
    }  # fmt: skip


def preset_generation(model: Any) -> GenerationSpec | None:
    """Return the special tokens of a model of ours that generates, else None."""
    config = getattr(model, "config", None)
    ids = (getattr(config, f"{kind}_id", None) for kind in ("bos", "eos", "pad"))
    bos, eos, pad = (value if isinstance(value, int) else None for value in ids)
    if bos is None and eos is None and pad is None:
        return None
    length = getattr(config, "max_length", None)
    return GenerationSpec(
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=pad,
        decoder_start_token_id=bos if hasattr(config, "source_vocab") else None,
        max_length=length if isinstance(length, int) else None,
    )
