"""Llama 2: a decoder with RMSNorm, rotary positions, SwiGLU and grouped keys and values.

Source: Touvron et al. 2023, https://arxiv.org/abs/2307.09288; rotary positions: Su et al. 2021,
        https://arxiv.org/abs/2104.09864; SwiGLU: Shazeer 2020, https://arxiv.org/abs/2002.05202.
Proof:  tests/models/test_llama.py compares it with transformers' Llama, with and without a cache.

Shapes at line ends: B batch, T new tokens, P past tokens, L = P + T, H query heads, G key heads,
D width of one head, W = H * D width, F hidden width, V vocabulary.
attention_mask [B, L] is 1 on real tokens and 0 on padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import ModelError

KeyValue: TypeAlias = tuple[Tensor, Tensor]  # keys and values, each [B, G, P, D]


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes; the defaults are those of llama2-7b."""

    vocab: int = 32000
    width: int = 4096
    heads: int = 32
    kv_heads: int = 32
    layers: int = 32
    hidden: int = 11008
    max_length: int = 4096
    norm_eps: float = 1e-5
    rotary_base: float = 10000.0
    tied: bool = False  # True: the output matrix is the token embedding's
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        """Raise ModelError where the numbers of heads do not divide evenly."""
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ModelError(
                f"width {self.width}, heads {self.heads}, kv_heads {self.kv_heads}: "
                "each must be a multiple of the next"
            )

    @property
    def cache_shape(self) -> tuple[int, int]:
        """Return heads and head width of a cached key or value."""
        return self.kv_heads, self.width // self.heads


class RMSNorm(nn.Module):
    """Divides by the root mean square of the features, then scales each."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, T, W] normalised; the mean is taken in float32 at least."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)  # [B, T, 1]
        return self.weight * (wide * scale).to(x.dtype)


class Rotary(nn.Module):
    """Cosines and sines by which a position turns each pair of features."""

    frequency: Tensor

    def __init__(self, head_width: int, base: float) -> None:
        super().__init__()
        exponent = torch.arange(0, head_width, 2, dtype=torch.float32, device="cpu") / head_width
        self.register_buffer("frequency", base**-exponent, persistent=False)

    def forward(self, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin [B, 1, T, D] for positions [B, T]."""
        angle = position_ids[:, None, :, None].to(self.frequency.dtype) * self.frequency
        both = torch.cat((angle, angle), dim=-1)  # [B, 1, T, D]
        return both.cos(), both.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x [B, H, T, D] turned: feature i is paired with feature i + D / 2."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x * cos.to(x.dtype) + turned * sin.to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention over a cache; each key head serves H / G query heads."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.kv_heads, self.head_width = config.cache_shape
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.key = nn.Linear(config.width, self.kv_heads * self.head_width, bias=False)
        self.value = nn.Linear(config.width, self.kv_heads * self.head_width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def split(self, x: Tensor, heads: int) -> Tensor:
        """Return x [B, T, heads * D] cut into heads [B, heads, T, D]."""
        return x.view(x.shape[0], x.shape[1], heads, self.head_width).transpose(1, 2)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor, past: KeyValue
    ) -> tuple[Tensor, KeyValue]:
        """Return what x [B, T, W] gathers, [B, T, W], and the cache grown to [B, G, L, D]."""
        query = rotate(self.split(self.query(x), self.heads), *turn)  # [B, H, T, D]
        key = rotate(self.split(self.key(x), self.kv_heads), *turn)  # [B, G, T, D]
        value = self.split(self.value(x), self.kv_heads)  # [B, G, T, D]
        key = torch.cat((past[0], key), dim=2)  # [B, G, L, D]
        value = torch.cat((past[1], value), dim=2)  # [B, G, L, D]
        share = self.heads // self.kv_heads
        keys, values = self.repeat(key, share), self.repeat(value, share)  # [B, H, L, D]
        scores = query @ keys.transpose(-2, -1) / math.sqrt(self.head_width)  # [B, H, T, L]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        mixed = scores.softmax(dim=-1) @ values  # [B, H, T, D]
        return self.output(mixed.transpose(1, 2).flatten(2)), (key, value)  # [B, T, W]

    @staticmethod
    def repeat(x: Tensor, times: int) -> Tensor:
        """Return x [B, G, L, D] with each head `times` times in a row, [B, H, L, D]."""
        if times == 1:
            return x
        batch, heads, length, width = x.shape
        return x[:, :, None].expand(batch, heads, times, length, width).flatten(1, 2)


class FeedForward(nn.Module):
    """SwiGLU: one map gates another."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.expand = nn.Linear(config.width, config.hidden, bias=False)
        self.contract = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed x [B, T, W]."""
        contracted: Tensor = self.contract(F.silu(self.gate(x)) * self.expand(x))
        return contracted


class Block(nn.Module):
    """Norm before attention and before feed-forward, residuals around both."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.width, config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor, past: KeyValue
    ) -> tuple[Tensor, KeyValue]:
        """Return x [B, T, W] after the block, and the grown cache."""
        attended, present = self.attention(self.attention_norm(x), turn, mask, past)
        x = x + attended
        return x + self.feed_forward(self.feed_forward_norm(x)), present


class Llama(nn.Module):
    """The whole model."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.rotary = Rotary(config.width // config.heads, config.rotary_base)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        if not config.tied:
            self.head = nn.Linear(config.width, config.vocab, bias=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, past: list[KeyValue]
    ) -> tuple[Tensor, list[KeyValue]]:
        """Return logits [B, T, V] of the tokens after input_ids [B, T], and the grown cache.

        Args:
            input_ids: Tokens that follow the cached ones.
            attention_mask: [B, P + T], past included.
            position_ids: [B, T].
            past: One pair per block; of length 0 at the start.
        """
        length, total = input_ids.shape[1], past[0][0].shape[2] + input_ids.shape[1]
        index = torch.arange(total, device=input_ids.device)  # [L]
        causal = index[total - length :, None] >= index[None, :]  # [T, L]
        mask = causal & attention_mask[:, None, None, :].to(torch.bool)  # [B, 1, T, L]
        turn = self.rotary(position_ids)
        x, present = self.token(input_ids), []  # [B, T, W]
        for block, block_past in zip(self.blocks, past, strict=True):
            x, grown = block(x, turn, mask, block_past)
            present.append(grown)
        output = self.token.weight if self.config.tied else self.head.weight
        return F.linear(self.norm(x), output), present  # [B, T, V]
