"""Baichuan 2: Llama's blocks with one packed query-key-value matrix and a normalised head.

The 7B turns queries and keys by position (rotary); the 13B adds a bias that grows with distance
(ALiBi) and turns nothing.
Source: Yang et al. 2023, https://arxiv.org/abs/2309.10305; ALiBi: Press et al. 2021,
        https://arxiv.org/abs/2108.12409.
Proof:  tests/models/test_baichuan.py maps the same weights into transformers' Llama, and compares
        ALiBi with an implementation of its own.

Shapes at line ends: B batch, T new tokens, P past tokens, L = P + T, H heads, D width of one head,
W = H * D width, F hidden width, V vocabulary. attention_mask [B, L] is 1 on real tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import ModelError

KeyValue: TypeAlias = tuple[Tensor, Tensor]  # keys and values, each [B, H, P, D]


@dataclass(frozen=True)
class BaichuanConfig:
    """Sizes; the defaults are those of Baichuan2-7B."""

    vocab: int = 125696
    width: int = 4096
    heads: int = 32
    layers: int = 32
    hidden: int = 11008
    max_length: int = 4096
    norm_eps: float = 1e-6
    positions: Literal["rotary", "alibi"] = "rotary"
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        """Raise ModelError where the heads do not divide the width."""
        if self.width % self.heads:
            raise ModelError(f"width {self.width} is not a multiple of heads {self.heads}")

    @property
    def cache_shape(self) -> tuple[int, int]:
        """Return heads and head width of a cached key or value."""
        return self.heads, self.width // self.heads


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
    """Turns each pair of features (i, i + D / 2) by an angle that grows with position."""

    frequency: Tensor

    def __init__(self, head_width: int) -> None:
        super().__init__()
        exponent = torch.arange(0, head_width, 2, dtype=torch.float32, device="cpu") / head_width
        self.register_buffer("frequency", 10000.0**-exponent, persistent=False)

    def forward(self, x: Tensor, position_ids: Tensor) -> Tensor:
        """Return x [B, H, T, D] turned for positions [B, T]."""
        angle = position_ids[:, None, :, None].to(self.frequency.dtype) * self.frequency
        both = torch.cat((angle, angle), dim=-1)  # [B, 1, T, D]
        first, second = x.chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1)
        return x * both.cos().to(x.dtype) + turned * both.sin().to(x.dtype)


def alibi_slopes(heads: int) -> list[float]:
    """Return how steeply each head's bias falls with distance.

    A geometric series for a power of two; other counts take every second slope of the next
    power of two to fill up, as the paper's own code does.
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (head + 1) / power) for head in range(power)]
    if power == heads:
        return slopes
    finer = [2.0 ** (-4.0 * (head + 1) / power) for head in range(2 * power)]
    return slopes + finer[0::2][: heads - power]


class Attention(nn.Module):
    """Causal self-attention over a cache."""

    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.heads, self.head_width = config.cache_shape
        self.packed = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)
        self.rotary = Rotary(self.head_width) if config.positions == "rotary" else None

    def split(self, x: Tensor) -> Tensor:
        """Return x [B, T, W] cut into heads [B, H, T, D]."""
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)

    def forward(
        self, x: Tensor, place: Tensor, mask: Tensor, past: KeyValue
    ) -> tuple[Tensor, KeyValue]:
        """Return what x [B, T, W] gathers, [B, T, W], and the cache grown to [B, H, L, D].

        `place` is position_ids [B, T] for rotary positions and the bias [H, T, L] for ALiBi.
        """
        query, key, value = (self.split(part) for part in self.packed(x).chunk(3, dim=-1))
        if self.rotary is not None:
            query, key = self.rotary(query, place), self.rotary(key, place)
        key = torch.cat((past[0], key), dim=2)  # [B, H, L, D]
        value = torch.cat((past[1], value), dim=2)  # [B, H, L, D]
        scores = query @ key.transpose(-2, -1) / math.sqrt(self.head_width)  # [B, H, T, L]
        if self.rotary is None:
            scores = scores + place
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        mixed = scores.softmax(dim=-1) @ value  # [B, H, T, D]
        return self.output(mixed.transpose(1, 2).flatten(2)), (key, value)  # [B, T, W]


class FeedForward(nn.Module):
    """SwiGLU: one map gates another."""

    def __init__(self, config: BaichuanConfig) -> None:
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

    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.width, config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(
        self, x: Tensor, place: Tensor, mask: Tensor, past: KeyValue
    ) -> tuple[Tensor, KeyValue]:
        """Return x [B, T, W] after the block, and the grown cache."""
        attended, present = self.attention(self.attention_norm(x), place, mask, past)
        x = x + attended
        return x + self.feed_forward(self.feed_forward_norm(x)), present


class Baichuan(nn.Module):
    """The whole model; the rows of its output matrix have length 1 (see `normalise_head`)."""

    slopes: Tensor

    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.head = nn.Linear(config.width, config.vocab, bias=False)
        slopes = torch.tensor(alibi_slopes(config.heads), device="cpu")
        self.register_buffer("slopes", slopes, persistent=False)

    def alibi(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the bias [H, T, L] of keys [L] for queries [T]: minus slope times distance."""
        distance = (key[None, :] - query[:, None]).to(self.slopes.dtype)  # [T, L]
        return self.slopes[:, None, None] * distance

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor | None,
        past: list[KeyValue],
    ) -> tuple[Tensor, list[KeyValue]]:
        """Return logits [B, T, V] of the tokens after input_ids [B, T], and the grown cache.

        Args:
            input_ids: Tokens that follow the cached ones.
            attention_mask: [B, P + T], past included.
            position_ids: [B, T]; ALiBi needs none, distances do not change with padding.
            past: One pair per block; of length 0 at the start.
        """
        length, total = input_ids.shape[1], past[0][0].shape[2] + input_ids.shape[1]
        key = torch.arange(total, device=input_ids.device)  # [L]
        query = key[total - length :]  # [T]
        mask = (query[:, None] >= key[None, :]) & attention_mask[:, None, None, :].to(torch.bool)
        place = position_ids if self.config.positions == "rotary" else self.alibi(query, key)
        x, present = self.token(input_ids), []  # [B, T, W]
        for block, block_past in zip(self.blocks, past, strict=True):
            x, grown = block(x, place, mask, block_past)
            present.append(grown)
        return self.head(self.norm(x)), present  # [B, T, V]

    def normalise_head(self) -> None:
        """Give each row of the output matrix length 1, as Baichuan 2 does before inference."""
        unit = F.normalize(self.head.weight, dim=-1)
        self.head.weight = nn.Parameter(unit, requires_grad=False)


_NAMES = (
    ("model.embed_tokens.", "token."), ("lm_head.", "head."), ("model.norm.", "norm."),
    ("model.layers.", "blocks."), (".self_attn.W_pack.", ".attention.packed."),
    (".self_attn.o_proj.", ".attention.output."), (".mlp.gate_proj.", ".feed_forward.gate."),
    (".mlp.up_proj.", ".feed_forward.expand."), (".mlp.down_proj.", ".feed_forward.contract."),
    (".input_layernorm.", ".attention_norm."),
    (".post_attention_layernorm.", ".feed_forward_norm."),
)  # fmt: skip


def from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published tensors under our names; recomputed tables are left out."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith((".inv_freq", ".cos_cached", ".sin_cached", "alibi_mask")):
            continue
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    return renamed


def config_from_published(config: Mapping[str, object]) -> BaichuanConfig:
    """Return the sizes named by a published config.json.

    The 7B's file names max_position_embeddings (rotary); the 13B's only model_max_length (ALiBi).

    Raises:
        ModelError: This is the first Baichuan, whose head is not normalised.
    """
    if config.get("vocab_size") == 64000:
        raise ModelError(
            "this is Baichuan 1 (vocabulary 64000); only Baichuan 2 is defined here",
            fix="use a Baichuan2 checkpoint",
        )
    known = {
        "vocab": "vocab_size", "width": "hidden_size", "heads": "num_attention_heads",
        "layers": "num_hidden_layers", "hidden": "intermediate_size",
        "max_length": "model_max_length", "norm_eps": "rms_norm_eps",
        "bos_id": "bos_token_id", "eos_id": "eos_token_id",
    }  # fmt: skip
    sizes = {ours: config[name] for ours, name in known.items() if config.get(name) is not None}
    rotary = config.get("max_position_embeddings") is not None
    sizes.setdefault("max_length", config.get("max_position_embeddings", 4096))
    return BaichuanConfig(**sizes, positions="rotary" if rotary else "alibi")  # type: ignore[arg-type]
