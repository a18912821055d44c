"""What is exported: each part of a model as a module of flat tensors in, flat tensors out.

The orders and names below are the contract of every exported graph:
  encoder   input_ids, attention_mask -> last_hidden_state, cross.N.key, cross.N.value, ...
  decoder   input_ids, attention_mask (the source's), past_key_values.N.key, .value, ...,
            cross.N.key, .value, ... -> logits, present.N.key, .value, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.transformer import KeyValue, Transformer

Range = tuple[int, int, int]  # smallest, typical and largest size of a dimension


@dataclass(frozen=True)
class Part:
    """One exportable module and everything an exporter must know about it.

    Attributes:
        module: Takes the example inputs positionally, returns a tuple in `output_names` order.
        example_inputs: Name -> tensor, in the order of `module.forward`.
        dynamic_axes: Input or output name -> axis -> dimension name. "past + sequence" is the
            sum of the two dimensions named, never a dimension of its own.
        dims: Dimension name -> (min, opt, max).
        output_names: Names of the outputs in order.
    """

    module: nn.Module
    example_inputs: dict[str, Tensor]
    dynamic_axes: dict[str, dict[int, str]]
    dims: dict[str, Range]
    output_names: tuple[str, ...]


def cache_names(prefix: str, layers: int) -> list[str]:
    """Return prefix.0.key, prefix.0.value, prefix.1.key, ..."""
    return [f"{prefix}.{layer}.{kind}" for layer in range(layers) for kind in ("key", "value")]


def pairs(flat: Sequence[Tensor]) -> list[KeyValue]:
    """Return the flat keys and values as one pair per layer."""
    return list(zip(flat[0::2], flat[1::2], strict=True))


def flatten(cache: Iterable[KeyValue]) -> tuple[Tensor, ...]:
    """Return key, value, key, value, ... of all layers."""
    return tuple(tensor for pair in cache for tensor in pair)


class EncoderPart(nn.Module):
    """The encoder and the cross-attention's keys and values, made once per source."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Return last_hidden_state [B, S, W], then cross.N.key and .value [B, H, S, D]."""
        memory = self.model.encode(input_ids, attention_mask)
        return memory, *flatten(self.model.cross_keys_values(memory))


class DecoderPart(nn.Module):
    """One decoder step of any length over a cache of any length, 0 included."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, *cache: Tensor
    ) -> tuple[Tensor, ...]:
        """Return logits [B, T, V], then present.N.key and .value [B, H, P + T, D].

        `cache` is past_key_values.N.* [B, H, P, D] of all layers, then cross.N.* [B, H, S, D].
        """
        half = len(cache) // 2
        past, cross = pairs(cache[:half]), pairs(cache[half:])
        logits, present = self.model.decode(input_ids, attention_mask, cross, past)
        return logits, *flatten(present)


def transformer_parts(model: Transformer) -> dict[str, Part]:
    """Return the parts `encoder` and `decoder` of an encoder-decoder."""
    longest = model.config.max_length
    dims = {"batch": (1, 2, 16), "source": (1, min(32, longest), longest)}
    grown = {"target": (1, 1, longest), "past": (0, min(32, longest), longest - 1)}
    return {
        "encoder": _encoder_part(model, dims),
        "decoder": _decoder_part(model, dims | grown),
    }


def _encoder_part(model: Transformer, dims: dict[str, Range]) -> Part:
    layers = model.config.layers
    ids = _example_ids(3, 7, model.config.source_vocab)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0  # padding on the right, as the tokenizer does
    cross = cache_names("cross", layers)
    tokens = {0: "batch", 1: "source"}
    return Part(
        module=EncoderPart(model),
        example_inputs={"input_ids": ids, "attention_mask": mask},
        dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "last_hidden_state"), tokens)
        | dict.fromkeys(cross, {0: "batch", 2: "source"}),
        dims=dims,
        output_names=("last_hidden_state", *cross),
    )


def _decoder_part(model: Transformer, dims: dict[str, Range]) -> Part:
    config = model.config
    past, cross, present = (
        cache_names(prefix, config.layers) for prefix in ("past_key_values", "cross", "present")
    )
    shape = (3, config.heads, 7, config.width // config.heads)
    mask = torch.ones(3, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    noise = torch.Generator().manual_seed(0)
    inputs = {"input_ids": _example_ids(3, 4, config.target_vocab), "attention_mask": mask}
    for name in past:
        inputs[name] = torch.randn(shape, generator=noise)[:, :, :5]
    for name in cross:
        inputs[name] = torch.randn(shape, generator=noise)
    return Part(
        module=DecoderPart(model),
        example_inputs=inputs,
        dynamic_axes={"input_ids": {0: "batch", 1: "target"}, "logits": {0: "batch", 1: "target"}}
        | {"attention_mask": {0: "batch", 1: "source"}}
        | dict.fromkeys(past, {0: "batch", 2: "past"})
        | dict.fromkeys(cross, {0: "batch", 2: "source"})
        | dict.fromkeys(present, {0: "batch", 2: "past + target"}),
        dims=dims,
        output_names=("logits", *present),
    )


def _example_ids(batch: int, length: int, vocab: int) -> Tensor:
    noise = torch.Generator().manual_seed(0)
    return torch.randint(3, vocab, (batch, length), generator=noise)
