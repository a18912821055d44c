"""Modules of flat tensors around Hugging Face models: one call, a decoder step, an encoder half.

Nothing here names an architecture: the number of layers and the shapes of a cache are read off
the cache that one small call of the model returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from pipeline.stages.export.hf_inputs import parameters

KINDS = ("key", "value")
CACHE_NAMES = ("cache", "past_key_values")  # transformers 5.24 renamed argument and output


@dataclass(frozen=True)
class CacheShape:
    """Layers of a cache, and per key and value the number of heads and their width."""

    heads: tuple[tuple[int, int], ...]

    def names(self, prefix: str) -> list[str]:
        """Return prefix.0.key, prefix.0.value, prefix.1.key, ..."""
        return [f"{prefix}.{i}.{kind}" for i in range(len(self.heads) // 2) for kind in KINDS]

    def example(self, batch: int, length: int, dtype: torch.dtype) -> list[Tensor]:
        """Return seeded values of that shape, one tensor per name."""
        noise = torch.Generator().manual_seed(0)
        return [
            torch.randn(batch, heads, length, width, generator=noise).to(dtype)
            for heads, width in self.heads
        ]


@dataclass
class Encoded(BaseModelOutput):
    """What an encoder returned, with the one further field that some decoders read of it."""

    attention_mask: Tensor | None = None


def cache_shape(cache: Any) -> CacheShape:
    """Return the shape of a cache a model returned.

    Raises:
        TypeError: A layer that is not a pair of keys and values [batch, heads, length, width].
    """
    heads = []
    for index, layer in enumerate(cache.layers):
        for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if not isinstance(tensor, Tensor) or tensor.dim() != 4:
                raise TypeError(f"layer {index} keeps its state in a {type(layer).__name__}")
            heads.append((tensor.shape[1], tensor.shape[3]))
    return CacheShape(tuple(heads))


def filled_cache(flat: Sequence[Tensor]) -> DynamicCache:
    """Return a cache holding key, value, key, value, ...; every layer keeps its whole length."""
    cache = DynamicCache()
    for key, value in zip(flat[0::2], flat[1::2], strict=True):
        layer = DynamicLayer()  # type: ignore[no-untyped-call]
        layer.lazy_initialization(key, value)
        layer.keys, layer.values = key, value
        cache.layers.append(layer)
    return cache


def flat_cache(cache: Any) -> list[Tensor]:
    """Return key, value, key, value, ... of a cache."""
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def given_cache(model: nn.Module, cache: Any) -> dict[str, Any]:
    """Return the argument that hands a model its cache, by the name its forward has for it."""
    taken = parameters(model)
    return {next((name for name in CACHE_NAMES if name in taken), CACHE_NAMES[-1]): cache}


def returned_cache(result: Any) -> Any:
    """Return the cache in a model's output."""
    return result[next(name for name in CACHE_NAMES if name in result)]


class OneCall(nn.Module):
    """A model called with its inputs by name; returns the outputs that were asked for."""

    def __init__(
        self, model: nn.Module, names: Sequence[str], outputs: Sequence[str], **fixed: Any
    ) -> None:
        super().__init__()
        self.model, self.names, self.outputs, self.fixed = model, names, outputs, fixed

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the named outputs in order."""
        result = self.model(**dict(zip(self.names, inputs, strict=True)), **self.fixed)
        return tuple(result[name] for name in self.outputs)


class CachedDecoder(nn.Module):
    """A decoder step of any length over a cache of any length; also the prefill, at length 0."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits, then present.N.key and .value; inputs are `names`, then the past."""
        plain = dict(zip(self.names, inputs, strict=False))
        past = inputs[len(self.names) :]
        cache = given_cache(self.model, filled_cache(past))
        result = self.model(**plain, **cache, use_cache=True)
        return result.logits, *flat_cache(returned_cache(result))


class CrossEncoder(nn.Module):
    """The encoder, and each decoder layer's keys and values of what it returns.

    Those come from the decoder's own code: it is run on one token and all but its
    cross-attention's projections is dead code that the exporter drops.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], with_cross: bool = True) -> None:
        super().__init__()
        self.model, self.names, self.with_cross = model, names, with_cross

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return last_hidden_state, then cross.N.key and .value."""
        given = dict(zip(self.names, inputs, strict=True))
        encoder: Callable[..., Any] = self.model.get_encoder()  # type: ignore[operator]
        memory: Tensor = encoder(**given)[0]
        if not self.with_cross:
            return (memory,)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        mask = given.get("attention_mask")
        self.model(
            encoder_outputs=Encoded(last_hidden_state=memory),
            decoder_input_ids=memory.new_zeros(memory.shape[0], 1, dtype=torch.int64),
            use_cache=True,
            **given_cache(self.model, cache),
            **({} if mask is None else {"attention_mask": mask}),
        )
        return memory, *flat_cache(cache.cross_attention_cache)


class CrossDecoder(nn.Module):
    """A decoder step over its own cache and the encoder's precomputed keys and values."""

    def __init__(self, model: nn.Module, names: Sequence[str], layers: int, width: int) -> None:
        super().__init__()
        self.model, self.names, self.layers, self.width = model, names, layers, width

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits, then present.N.*; inputs are `names`, the past, the cross cache."""
        plain, flat = inputs[: len(self.names)], inputs[len(self.names) :]
        past, cross = flat[: 2 * self.layers], flat[2 * self.layers :]
        given = dict(zip(self.names, plain, strict=True))
        cache = EncoderDecoderCache(filled_cache(past), filled_cache(cross))
        cache.is_updated = dict.fromkeys(range(self.layers), True)
        # Only its shape is read: every layer finds its keys and values in the cache.
        memory = cross[0].new_zeros(cross[0].shape[0], cross[0].shape[2], self.width)
        mask = given.get("attention_mask")
        result = self.model(
            encoder_outputs=Encoded(last_hidden_state=memory),
            decoder_input_ids=given["input_ids"],
            use_cache=True,
            **given_cache(self.model, cache),
            **({} if mask is None else {"attention_mask": mask}),
        )
        return result.logits, *flat_cache(cache.self_attention_cache)


class PlainDecoder(nn.Module):
    """A decoder over all of its tokens at once, without a cache."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return logits; the last input is the encoder's last_hidden_state."""
        given = dict(zip(self.names, inputs, strict=False))
        mask = given.get("attention_mask")
        result = self.model(
            encoder_outputs=Encoded(last_hidden_state=inputs[-1]),
            decoder_input_ids=given["input_ids"],
            use_cache=False,
            **({} if mask is None else {"attention_mask": mask}),
        )
        return (result.logits,)
