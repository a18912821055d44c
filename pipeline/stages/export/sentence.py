"""A sentence encoder as one module: the transformer, pooling and what follows it, in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.records.task import EmbeddingSpec, Pooling
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.sentence_files import SentenceFolder, Step

STATES, VECTOR = "last_hidden_state", "sentence_embedding"
# By the last word of what a configuration names; anything else is refused, never imported.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.LeakyReLU, nn.ELU,
        nn.Softplus, nn.Mish,
    )
}  # fmt: skip


def sentence_part(part: ExportPart, folder: SentenceFolder) -> tuple[ExportPart, EmbeddingSpec]:
    """Return the part that gives a vector beside the tokens' states, and how it is to be used.

    Args:
        part: The transformer as one call.
        folder: What its checkpoint says about sentences.

    Raises:
        UsageError: The transformer gives no states of tokens, or takes no mask.
        BadModelError: The weights of a step do not fit it.
    """
    if STATES not in part.outputs or "attention_mask" not in part.inputs:
        raise UsageError(
            f"a sentence encoder gives {STATES} under a mask; this one gives "
            f"{', '.join(part.outputs)} of {', '.join(part.inputs)}",
            fix="choose another --task",
        )
    module = SentenceEncoder(part, folder).eval()
    with torch.no_grad():
        size = module(*part.inputs.values())[1].shape[-1]
    spec = EmbeddingSpec(
        pooling=folder.pooling,
        steps=tuple(step.kind for step in folder.steps),
        size=size,
        max_length=folder.max_length,
        lower_case=folder.lower_case,
        prompts=folder.prompts,
        default_prompt=folder.default_prompt,
        pools_prompt=folder.pools_prompt,
    )
    prefix = f"encoder.{part.prefix}"
    return replace(part, module=module, outputs=(STATES, VECTOR), prefix=prefix), spec


class SentenceEncoder(nn.Module):
    """The states of all tokens, and one vector of them."""

    def __init__(self, part: ExportPart, folder: SentenceFolder) -> None:
        super().__init__()
        self.encoder, self.pooling = part.module, folder.pooling
        self.place = list(part.outputs).index(STATES)
        self.mask_place = list(part.inputs).index("attention_mask")
        self.steps = nn.Sequential(*(_module(step) for step in folder.steps))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return [B, S, H] and [B, D]; inputs are the transformer's."""
        states = self.encoder(*inputs)[self.place]
        mask = inputs[self.mask_place]
        pooled = torch.cat([pool(states, mask, mode) for mode in self.pooling], dim=1)
        return states, self.steps(pooled)


class Normalize(nn.Module):
    """Vectors of length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return [B, D] of length 1 in each row."""
        return nn.functional.normalize(vectors, p=2.0, dim=1)


def pool(states: Tensor, mask: Tensor, mode: Pooling) -> Tensor:
    """Return one vector [B, H] of the states [B, S, H] where the mask [B, S] is 1."""
    real = mask.to(states.dtype)[..., None]
    if mode == "cls":
        return states[:, 0]
    if mode == "max":
        return states.masked_fill(real == 0, -1e9).amax(dim=1)
    if mode == "lasttoken":
        places = torch.arange(mask.shape[1], device=mask.device) * mask
        last = places.argmax(dim=1)[:, None, None].expand(-1, 1, states.shape[-1])
        return states.gather(1, last)[:, 0]
    if mode == "weightedmean":
        real = real * torch.arange(1, mask.shape[1] + 1, device=mask.device)[None, :, None]
    count = real.sum(dim=1).clamp(min=1e-9)
    return (states * real).sum(dim=1) / (count.sqrt() if mode == "mean_sqrt_len" else count)


def _module(step: Step) -> nn.Module:
    if step.kind == "normalize":
        return Normalize()
    assert step.weights is not None
    weights = _weights(step.weights)
    try:
        if step.kind == "layer_norm":
            return _filled(nn.LayerNorm(int(step.settings["dimension"])), weights, "norm.")
        sizes = int(step.settings["in_features"]), int(step.settings["out_features"])
        linear = nn.Linear(*sizes, bias=bool(step.settings.get("bias", True)))
        return nn.Sequential(_filled(linear, weights, "linear."), _activation(step))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadModelError(
            f"the weights of {step.kind} do not fit its configuration: {first_line(error)}",
            where=str(step.weights),
            fix="download it again",
        ) from error


def _activation(step: Step) -> nn.Module:
    named = str(step.settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    kind = ACTIVATIONS.get(named.rpartition(".")[2])
    if kind is None or not named.startswith("torch.nn.modules."):
        raise UsageError(
            f"the activation {named} is not one of {', '.join(ACTIVATIONS)}",
            where=str(step.weights),
            fix="wrap the model in a function: file.py:function",
        )
    return kind()


def _filled(module: nn.Module, weights: Mapping[str, Any], prefix: str) -> nn.Module:
    found = {name.removeprefix(prefix): value.float() for name, value in weights.items()}
    module.load_state_dict(found)
    return module.requires_grad_(False)


def _weights(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a small file; a pickle is read as weights alone."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return loaded
    except Exception as error:
        raise BadModelError(
            f"{path.name} cannot be read: {first_line(error)}", where=str(path),
            fix="download it again",
        ) from error  # fmt: skip
