"""What is exported: each part of a model as a module of flat tensors in, flat tensors out.

The orders and names below are the contract of every exported graph:
  encoder   input_ids, attention_mask -> last_hidden_state, cross.N.key, cross.N.value, ...
  decoder   input_ids, attention_mask (the source's), past_key_values.N.key, .value, ...,
            cross.N.key, .value, ... -> logits, present.N.key, .value, ...
  model     of a decoder alone: input_ids, attention_mask (past included), position_ids (where
            the family has them), past_key_values.N.* -> logits, present.N.*
  model     of an encoder alone: input_ids, attention_mask, token_type_ids -> by its head
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.baichuan import Baichuan
from models.gpt2 import Gpt2
from models.llama import Llama
from models.transformer import KeyValue, Transformer

Range = tuple[int, int, int]  # smallest, typical and largest size of a dimension
Axes = dict[int, str]


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
    dynamic_axes: dict[str, Axes]
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


class CausalPart(nn.Module):
    """A decoder-only model that places its tokens by position_ids."""

    def __init__(self, model: Gpt2 | Llama | Baichuan) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, *past: Tensor
    ) -> tuple[Tensor, ...]:
        """Return logits [B, T, V], then present.N.key and .value [B, G, P + T, D]."""
        logits, present = self.model(input_ids, attention_mask, position_ids, pairs(past))
        return logits, *flatten(present)


class AlibiPart(nn.Module):
    """A decoder-only model that needs no position_ids."""

    def __init__(self, model: Baichuan) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, *past: Tensor
    ) -> tuple[Tensor, ...]:
        """Return logits [B, T, V], then present.N.key and .value [B, H, P + T, D]."""
        logits, present = self.model(input_ids, attention_mask, None, pairs(past))
        return logits, *flatten(present)


def transformer_parts(model: Transformer) -> dict[str, Part]:
    """Return the parts `encoder` and `decoder` of an encoder-decoder."""
    longest = model.config.max_length
    dims = {"batch": (1, 2, 16), "source": (1, min(32, longest), longest)}
    grown = {"target": (1, 1, longest), "past": (0, min(32, longest), longest - 1)}
    return {"encoder": _encoder(model, dims), "decoder": _decoder(model, dims | grown)}


def _encoder(model: Transformer, dims: dict[str, Range]) -> Part:
    cross = cache_names("cross", model.config.layers)
    inputs = {
        "input_ids": _example_ids(3, 7, model.config.source_vocab),
        "attention_mask": _right_padded(3, 7),
    }
    tokens = {0: "batch", 1: "source"}
    return Part(
        module=EncoderPart(model).eval(),
        example_inputs=inputs,
        dynamic_axes=_axes([*inputs, "last_hidden_state"], tokens)
        | _axes(cross, {0: "batch", 2: "source"}),
        dims=dims,
        output_names=("last_hidden_state", *cross),
    )


def _decoder(model: Transformer, dims: dict[str, Range]) -> Part:
    config = model.config
    past, cross, present = (
        cache_names(prefix, config.layers) for prefix in ("past_key_values", "cross", "present")
    )
    shape = (config.heads, config.width // config.heads)
    inputs = {
        "input_ids": _example_ids(3, 4, config.target_vocab),
        "attention_mask": _right_padded(3, 7),
    }
    inputs |= _example_cache(past, shape, 5) | _example_cache(cross, shape, 7)
    return Part(
        module=DecoderPart(model).eval(),
        example_inputs=inputs,
        dynamic_axes=_axes(["input_ids", "logits"], {0: "batch", 1: "target"})
        | _axes(["attention_mask"], {0: "batch", 1: "source"})
        | _axes(past, {0: "batch", 2: "past"})
        | _axes(cross, {0: "batch", 2: "source"})
        | _axes(present, {0: "batch", 2: "past + target"}),
        dims=dims,
        output_names=("logits", *present),
    )


def causal_parts(model: Gpt2 | Llama | Baichuan) -> dict[str, Part]:
    """Return the part `model` of a decoder-only model: prefill and decode in one."""
    config = model.config
    past, present = (
        cache_names(prefix, config.layers) for prefix in ("past_key_values", "present")
    )
    alibi = isinstance(model, Baichuan) and model.config.positions == "alibi"
    module: nn.Module = CausalPart(model)
    if isinstance(model, Baichuan) and alibi:
        module = AlibiPart(model)
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[1, :2] = 0  # padding on the left, as for generation
    inputs = {"input_ids": _example_ids(3, 4, config.vocab), "attention_mask": mask}
    if not alibi:
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, 5:]
    tokens = {0: "batch", 1: "sequence"}
    axes = _axes(["input_ids", "position_ids", "logits"], tokens)
    if alibi:
        del axes["position_ids"]
    longest = config.max_length
    return {
        "model": Part(
            module=module.eval(),
            example_inputs=inputs | _example_cache(past, config.cache_shape, 5),
            dynamic_axes=axes
            | _axes(["attention_mask"], {0: "batch", 1: "past + sequence"})
            | _axes(past, {0: "batch", 2: "past"})
            | _axes(present, {0: "batch", 2: "past + sequence"}),
            dims={
                "batch": (1, 1, 8),
                "sequence": (1, min(32, longest), longest),
                "past": (0, min(128, longest - 1), longest - 1),
            },
            output_names=("logits", *present),
        )
    }


def bert_parts(
    model: nn.Module, vocab: int, longest: int, outputs: tuple[str, ...]
) -> dict[str, Part]:
    """Return the part `model` of an encoder with any of BERT's heads."""
    types = torch.zeros(3, 7, dtype=torch.int64)
    types[:, 4:] = 1
    inputs = {
        "input_ids": _example_ids(3, 7, vocab),
        "attention_mask": _right_padded(3, 7),
        "token_type_ids": types,
    }
    axes = _axes([*inputs, *outputs], {0: "batch", 1: "sequence"})
    for name in outputs:
        if name == "sentence_embedding" or _one_per_text(model):
            axes[name] = {0: "batch"}
    dims = {"batch": (1, 2, 16), "sequence": (1, min(128, longest), longest)}
    return {"model": Part(model, inputs, axes, dims, outputs)}


def _one_per_text(model: nn.Module) -> bool:
    return hasattr(model, "pooler")


def _axes(names: Iterable[str], axes: Axes) -> dict[str, Axes]:
    return {name: dict(axes) for name in names}


def _example_ids(batch: int, length: int, vocab: int) -> Tensor:
    noise = torch.Generator().manual_seed(0)
    return torch.randint(3, vocab, (batch, length), generator=noise)


def _example_cache(names: Iterable[str], shape: tuple[int, int], length: int) -> dict[str, Tensor]:
    noise, (heads, width) = torch.Generator().manual_seed(1), shape
    return {name: torch.randn(3, heads, length, width, generator=noise) for name in names}


def _right_padded(batch: int, length: int) -> Tensor:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1, length - 2 :] = 0
    return mask
