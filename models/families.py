"""How a family, sizes and a folder become a model and its parts: one small builder per family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models import baichuan, bert, gpt2, llama_checkpoints
from models.baichuan import Baichuan, BaichuanConfig
from models.bert import BertConfig
from models.checkpoints import read_json, read_weights
from models.errors import ModelError
from models.gpt2 import Gpt2, Gpt2Config
from models.llama import Llama, LlamaConfig
from models.parts import Part, bert_parts, causal_parts, transformer_parts
from models.transformer import Transformer, TransformerConfig
from models.weights import build_empty, fill, fill_seeded

_DTYPES = {
    "float32": torch.float32, "float16": torch.float16,
    "bfloat16": torch.bfloat16, "float64": torch.float64,
}  # fmt: skip
Weights = dict[str, Tensor]
Config = TypeVar("Config")


def build(
    family: str,
    sizes: Mapping[str, Any],
    folder: Path | None,
    task: str,
    *,
    seed: int = 0,
    dtype: str = "float32",
    spool: Path | None = None,
) -> nn.Module:
    """Return a family's model in eval mode, without gradients.

    Args:
        family: The file of this folder that defines it.
        sizes: What differs from the family's default configuration; a folder's own count instead.
        folder: Weights and configuration; None gives seeded random weights.
        task: Which head, where the family has several.
        seed: Decides random weights.
        dtype: Of the weights: float32, float16, bfloat16 or float64.
        spool: Where big random weights lie, mapped, instead of in memory.

    Raises:
        ModelError: The folder is incomplete, unsafe or of another family.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"dtype {dtype!r} is unknown", fix=f"choose one of: {', '.join(_DTYPES)}")
    if folder is not None and not folder.is_dir():
        raise ModelError("there is no such folder", where=str(folder), fix="check the path")
    model, tensors = _FAMILIES[family](sizes, folder, task)
    if tensors is None:
        model = fill_seeded(model, seed, _DTYPES[dtype], spool)
    else:
        assert folder is not None
        cast = {name: tensor.to(_DTYPES[dtype]) for name, tensor in tensors.items()}
        model = fill(model, cast, where=str(folder))
    if isinstance(model, Baichuan):
        model.normalise_head()
    return model


def parts(model: nn.Module) -> dict[str, Part]:
    """Return the exportable parts of a model of any family."""
    if isinstance(model, Transformer):
        return transformer_parts(model)
    if isinstance(model, Gpt2 | Llama | Baichuan):
        return causal_parts(model)
    heads = tuple(bert.HEADS.values())
    assert isinstance(model, heads), f"{type(model).__name__} belongs to no family"
    config: BertConfig = model.config  # type: ignore[assignment]
    outputs: tuple[str, ...] = model.outputs  # type: ignore[assignment]
    return bert_parts(model, config.vocab, config.max_length, outputs)


def _sized(config: type[Config], sizes: Mapping[str, Any], where: Path | None) -> Config:
    """Return the configuration; unknown names or values of another type are a ModelError."""
    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    unknown = sorted(sizes.keys() - known)
    if unknown:
        raise ModelError(f"unknown settings: {', '.join(unknown)}", where=str(where or ""))
    try:
        return config(**sizes)
    except TypeError as error:
        raise ModelError(f"unusable settings: {error}", where=str(where or "")) from error


def _hugging_face(folder: Path, model_type: str) -> dict[str, object]:
    """Return config.json, checked to be of the family."""
    config = read_json(folder / "config.json")
    found = config.get("model_type", model_type)
    if found != model_type:
        raise ModelError(
            f"config.json says model_type {found!r}, this preset is {model_type!r}",
            where=str(folder),
            fix="give the folder itself as the model, or name a preset of its family",
        )
    return config


def _make_transformer(
    sizes: Mapping[str, Any], folder: Path | None, task: str
) -> tuple[nn.Module, Weights | None]:
    del task
    if folder is None:
        config = _sized(TransformerConfig, sizes, None)
        return build_empty(lambda: Transformer(config)), None
    found = dict(_hugging_face(folder, "transformer"))
    for key in ("family", "model_type"):
        found.pop(key, None)
    config = _sized(TransformerConfig, found, folder)
    return build_empty(lambda: Transformer(config)), read_weights(folder)


def _make_bert(
    sizes: Mapping[str, Any], folder: Path | None, task: str
) -> tuple[nn.Module, Weights | None]:
    head = bert.HEADS[task]
    if folder is None:
        config = _sized(BertConfig, sizes, None)
        return build_empty(lambda: head(config)), None
    config = bert.config_from_hugging_face(_hugging_face(folder, "bert"))
    model = build_empty(lambda: head(config))
    wanted = {name for name, _ in model.named_parameters()}
    return model, bert.from_hugging_face(read_weights(folder), wanted)


def _make_gpt2(
    sizes: Mapping[str, Any], folder: Path | None, task: str
) -> tuple[nn.Module, Weights | None]:
    del task
    if folder is None:
        config = _sized(Gpt2Config, sizes, None)
        return build_empty(lambda: Gpt2(config)), None
    config = gpt2.config_from_hugging_face(_hugging_face(folder, "gpt2"))
    return build_empty(lambda: Gpt2(config)), gpt2.from_hugging_face(read_weights(folder))


def _make_llama(
    sizes: Mapping[str, Any], folder: Path | None, task: str
) -> tuple[nn.Module, Weights | None]:
    del task
    if folder is None:
        config = _sized(LlamaConfig, sizes, None)
        return build_empty(lambda: Llama(config)), None
    if (folder / "params.json").is_file():
        config, tensors = llama_checkpoints.read_meta(folder)
        return build_empty(lambda: Llama(config)), tensors
    config = llama_checkpoints.config_from_hugging_face(_hugging_face(folder, "llama"))
    tensors = llama_checkpoints.from_hugging_face(read_weights(folder))
    if config.tied:
        tensors.pop("head.weight", None)
    return build_empty(lambda: Llama(config)), tensors


def _make_baichuan(
    sizes: Mapping[str, Any], folder: Path | None, task: str
) -> tuple[nn.Module, Weights | None]:
    del task
    if folder is None:
        config = _sized(BaichuanConfig, sizes, None)
        return build_empty(lambda: Baichuan(config)), None
    config = baichuan.config_from_published(_hugging_face(folder, "baichuan"))
    return build_empty(lambda: Baichuan(config)), baichuan.from_published(read_weights(folder))


Make = Callable[[Mapping[str, Any], Path | None, str], tuple[nn.Module, Weights | None]]
_FAMILIES: dict[str, Make] = {
    "transformer": _make_transformer,
    "bert": _make_bert,
    "gpt2": _make_gpt2,
    "llama": _make_llama,
    "baichuan": _make_baichuan,
}
