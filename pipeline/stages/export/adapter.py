"""Merging a LoRA adapter into the model that it was trained on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.stages.export.adapter_files import Adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "base_model.model."
_PAIR = re.compile(r"(?P<module>.+)\.lora_(?P<kind>embedding_)?(?P<half>[AB])(?:\.weight)?")


def merge_adapter(model: nn.Module, adapter: Adapter) -> str:
    """Add what an adapter has learnt to a model's weights; return in words what was done.

    Raises:
        BadModelError: Its weights cannot be read, or do not fit the model.
        UsageError: They are of another model or task.
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise UsageError(
            "transformers has put the adapter into the model by itself, with the peft installed",
            where=str(adapter.folder),
            fix="move the adapter's files to a folder of their own and give it with --adapter",
        )
    tensors = {name.removeprefix(PREFIX): value for name, value in _read(adapter).items()}
    whole = [name for name in tensors if not _PAIR.fullmatch(name)]
    for name in whole:  # first: a pair may belong to a matrix that was saved whole
        _replace(model, name, tensors[name], adapter)
    merged = 0
    for name, delta in _deltas(tensors, adapter):
        module = _module(model, name, adapter)
        weight = module.weight
        assert isinstance(weight, Tensor)
        change = delta.T if adapter.transposed and not isinstance(module, nn.Embedding) else delta
        if weight.shape != change.shape:
            raise _misfit(adapter, f"{name} is {[*weight.shape]}, what it adds {[*change.shape]}")
        # not in place: a tied weight stays what it is where the adapter does not change it
        sum_ = weight.detach().float() + change
        module.weight = nn.Parameter(sum_.to(weight.dtype), requires_grad=False)
        merged += 1
    kept = f" and {len(whole)} tensors of its own" if whole else ""
    return f"the adapter {adapter.folder.name} is merged: {merged} matrices{kept}"


def _read(adapter: Adapter) -> Mapping[str, Tensor]:
    """Return its tensors; a pickle is read as weights alone."""
    try:
        if adapter.weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(adapter.weights)
        found: Mapping[str, Tensor] = torch.load(
            adapter.weights, map_location="cpu", weights_only=True
        )
        return found
    except Exception as error:
        raise BadModelError(
            f"{adapter.weights.name} cannot be read: {first_line(error)}",
            where=str(adapter.weights),
            fix="download it again",
        ) from error


def _deltas(tensors: Mapping[str, Tensor], adapter: Adapter) -> Iterator[tuple[str, Tensor]]:
    """Yield the name of each module and what is added to its weight, in float32."""
    pairs: dict[str, dict[str, Tensor]] = {}
    kinds: dict[str, str] = {}
    for name, tensor in tensors.items():
        if (found := _PAIR.fullmatch(name)) is not None:
            pairs.setdefault(found["module"], {})[found["half"]] = tensor.float()
            kinds[found["module"]] = found["kind"] or ""
    for module, halves in pairs.items():
        if halves.keys() != {"A", "B"}:
            raise _misfit(adapter, f"{module} has only one half of a pair")
        first, second = halves["A"], halves["B"]
        if first.dim() != 2 or second.dim() != 2 or second.shape[1] != first.shape[0]:
            raise _misfit(adapter, f"{module} has halves {[*second.shape]} and {[*first.shape]}")
        rank = first.shape[0]
        scale = _alpha(adapter, module) / (math.sqrt(rank) if adapter.root_of_rank else rank)
        delta = (second @ first) * scale
        yield module, delta.T if kinds[module] else delta


def _alpha(adapter: Adapter, module: str) -> float:
    for ending, value in adapter.alphas.items():
        if module == ending or module.endswith(f".{ending.lstrip('^.')}"):
            return value
    return adapter.alpha


def _module(model: nn.Module, name: str, adapter: Adapter) -> nn.Module:
    try:
        module = model.get_submodule(name)
    except AttributeError as error:
        raise _other(adapter, name) from error
    if not isinstance(getattr(module, "weight", None), Tensor):
        raise _other(adapter, name)
    return module


def _replace(model: nn.Module, name: str, tensor: Tensor, adapter: Adapter) -> None:
    """Put a tensor that was trained whole in its place."""
    path, _, last = name.rpartition(".")
    path = path.removesuffix(".modules_to_save.default").removesuffix(".modules_to_save")
    path = path.removesuffix(".base_layer")
    try:
        module = model.get_submodule(path)
    except AttributeError as error:
        raise _other(adapter, name) from error
    own = getattr(module, last, None)
    if not isinstance(own, nn.Parameter):
        raise _other(adapter, name)
    if own.shape != tensor.shape:
        raise _misfit(adapter, f"{name} is {[*own.shape]} in the model, {[*tensor.shape]} here")
    setattr(module, last, nn.Parameter(tensor.to(own.dtype), requires_grad=False))


def _misfit(adapter: Adapter, what: str) -> BadModelError:
    return BadModelError(
        f"the adapter does not fit the model: {what}",
        where=str(adapter.weights),
        fix=f"give the model that it was trained on: {adapter.base or 'it does not say which'}",
    )


def _other(adapter: Adapter, name: str) -> UsageError:
    return UsageError(
        f"the adapter changes {name}, which this model does not have",
        where=str(adapter.weights),
        fix="give the model and the --task that it was trained on: "
        f"{adapter.base or 'it does not say which'}",
    )
