"""The encoder-decoder of "Attention is all you need", whole, in reading order.

Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. Section numbers below are theirs.
Proof:  tests/models/test_transformer.py compares every layer with torch.nn.Transformer's.

Shapes at line ends: B batch, S source length, T target length, P past length, L key length,
H heads, D width of one head, W = H * D width of the model, F hidden width, V vocabulary.
Masks are True where a query may look; attention_mask is 1 on real tokens and 0 on padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import ModelError

KeyValue: TypeAlias = tuple[Tensor, Tensor]  # keys and values, each [B, H, L, D]


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and special tokens; the defaults are the paper's base model (table 3)."""

    source_vocab: int = 37000
    target_vocab: int = 37000
    width: int = 512
    heads: int = 8
    layers: int = 6
    hidden: int = 2048
    max_length: int = 512
    dropout: float = 0.1
    pre_norm: bool = False  # True: norm before each sublayer and once at the end
    norm: Literal["layer", "batch"] = "layer"  # batch: only to show why it is layer
    norm_eps: float = 1e-5
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        """Raise ModelError where the heads do not divide the width."""
        if self.width % self.heads:
            raise ModelError(f"width {self.width} is not a multiple of heads {self.heads}")


def padding_mask(attention_mask: Tensor) -> Tensor:
    """Return the mask [B, 1, 1, L] that hides padding from every query."""
    return attention_mask[:, None, None, :].to(torch.bool)


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Return the mask [T, L] under which the last `queries` of `keys` positions see no future.

    Combine it with padding by `&`: the two broadcast to [B, 1, T, L].
    """
    query_position = torch.arange(keys - queries, keys, device=device)
    return query_position[:, None] >= torch.arange(keys, device=device)[None, :]  # [T, L]


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return softmax(Q Kᵀ / sqrt(D)) V of shape [B, H, T, D] (3.2.1).

    A row that may look nowhere gets the mean of the values rather than NaN.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # [B, H, T, L]
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(dim=-1) @ value  # [B, H, T, D]


class MultiHeadAttention(nn.Module):
    """Attention in several subspaces at once (3.2.2), for self and for cross attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.head_width = config.heads, config.width // config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def split(self, x: Tensor) -> Tensor:
        """Return x [B, L, W] cut into heads [B, H, L, D]."""
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)

    def keys_values(self, x: Tensor) -> KeyValue:
        """Return the keys and values of x [B, L, W], each [B, H, L, D]."""
        return self.split(self.key(x)), self.split(self.value(x))

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Return what x [B, T, W] gathers from the keys and values, [B, T, W]."""
        query = self.split(self.query(x))  # [B, H, T, D]
        mixed = scaled_dot_product_attention(query, key, value, mask)  # [B, H, T, D]
        joined: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # [B, T, W]
        return joined


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them, the same at every position (3.3)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.hidden)
        self.contract = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed x [B, T, W]."""
        hidden = self.dropout(F.relu(self.expand(x)))  # [B, T, F]
        contracted: Tensor = self.contract(hidden)  # [B, T, W]
        return contracted


class BatchNorm(nn.Module):
    """Normalises each feature over batch and positions, padding included: why it is not used.

    Statistics are the batch's own, so one sentence's output depends on its neighbours.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, T, W] normalised per feature."""
        centred = x - x.mean((0, 1), keepdim=True)  # [B, T, W]
        variance = centred.square().mean((0, 1), keepdim=True)  # [1, 1, W]
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias


def make_norm(config: TransformerConfig) -> nn.Module:
    """Return the normalisation the configuration names."""
    if config.norm == "batch":
        return BatchNorm(config.width, config.norm_eps)
    return nn.LayerNorm(config.width, config.norm_eps)


class AddNorm(nn.Module):
    """Residual connection and normalisation around one sublayer (3.1, 5.4).

    post-norm (the paper): norm(x + sublayer(x)); pre-norm: x + sublayer(norm(x)).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm, self.pre_norm = make_norm(config), config.pre_norm
        self.dropout = nn.Dropout(config.dropout)

    def enter(self, x: Tensor) -> Tensor:
        """Return what the sublayer reads."""
        return self._normed(x) if self.pre_norm else x

    def leave(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the block's stream x joined with the sublayer's output y."""
        total = x + self.dropout(y)
        return total if self.pre_norm else self._normed(total)

    def _normed(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x)
        return normed


class EncoderBlock(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention, self.attention_norm = MultiHeadAttention(config), AddNorm(config)
        self.feed_forward, self.feed_forward_norm = FeedForward(config), AddNorm(config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return x [B, S, W] after the block."""
        y = self.attention_norm.enter(x)
        attended = self.self_attention(y, *self.self_attention.keys_values(y), mask)
        x = self.attention_norm.leave(x, attended)
        return self.feed_forward_norm.leave(x, self.feed_forward(self.feed_forward_norm.enter(x)))


class DecoderBlock(nn.Module):
    """Masked self-attention with a cache, cross-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention, self.attention_norm = MultiHeadAttention(config), AddNorm(config)
        self.cross_attention, self.cross_norm = MultiHeadAttention(config), AddNorm(config)
        self.feed_forward, self.feed_forward_norm = FeedForward(config), AddNorm(config)

    def forward(
        self, x: Tensor, mask: Tensor, cross: KeyValue, cross_mask: Tensor | None, past: KeyValue
    ) -> tuple[Tensor, KeyValue]:
        """Return x [B, T, W] after the block, and the cache grown to [B, H, P + T, D]."""
        y = self.attention_norm.enter(x)
        key, value = self.self_attention.keys_values(y)
        key = torch.cat((past[0], key), dim=2)  # [B, H, P + T, D]
        value = torch.cat((past[1], value), dim=2)
        x = self.attention_norm.leave(x, self.self_attention(y, key, value, mask))
        y = self.cross_norm.enter(x)
        x = self.cross_norm.leave(x, self.cross_attention(y, *cross, cross_mask))
        y = self.feed_forward_norm.enter(x)
        return self.feed_forward_norm.leave(x, self.feed_forward(y)), (key, value)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Return the table [length, width]: sines on even and cosines on odd features (3.5)."""
    position = torch.arange(length, dtype=torch.float64, device="cpu")[:, None]
    feature = torch.arange(0, width, 2, dtype=torch.float64, device="cpu")
    angle = position * torch.exp(feature * (-math.log(10000.0) / width))  # [length, W / 2]
    table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
    return table.to(torch.float32)


class Embedding(nn.Module):
    """Token embedding scaled by sqrt(W), plus the sinusoid of the position (3.4, 3.5)."""

    positions: Tensor

    def __init__(self, vocab: int, config: TransformerConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab, config.width)
        self.scale = math.sqrt(config.width)
        self.dropout = nn.Dropout(config.dropout)
        table = sinusoidal_positions(config.max_length, config.width)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, ids: Tensor, past: int = 0) -> Tensor:
        """Return the embedding [B, T, W] of ids [B, T] that follow `past` earlier ones."""
        index = torch.arange(past, past + ids.shape[1], device=ids.device)  # [T]
        placed = self.token(ids) * self.scale + self.positions[index]  # [B, T, W]
        embedded: Tensor = self.dropout(placed)
        return embedded


class Transformer(nn.Module):
    """The whole model; the output projection is the target embedding transposed (3.4)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.source = Embedding(config.source_vocab, config)
        self.target = Embedding(config.target_vocab, config)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.layers))
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.encoder_norm = make_norm(config) if config.pre_norm else nn.Identity()
        self.decoder_norm = make_norm(config) if config.pre_norm else nn.Identity()

    def encode(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the source [B, S] read in context, [B, S, W]."""
        mask = padding_mask(attention_mask)  # [B, 1, 1, S]
        x = self.source(ids)  # [B, S, W]
        for block in self.encoder:
            x = block(x, mask)
        memory: Tensor = self.encoder_norm(x)
        return memory

    def cross_keys_values(self, memory: Tensor) -> list[KeyValue]:
        """Return each decoder block's keys and values of memory [B, S, W], made once per source."""
        attentions = (block.get_submodule("cross_attention") for block in self.decoder)
        return [a.keys_values(memory) for a in attentions if isinstance(a, MultiHeadAttention)]

    def empty_cache(self, batch: int) -> list[KeyValue]:
        """Return a cache of past length 0 for every decoder block."""
        head_width = self.config.width // self.config.heads
        empty = self.target.token.weight.new_zeros(batch, self.config.heads, 0, head_width)
        return [(empty, empty) for _ in self.decoder]

    def decode(
        self, ids: Tensor, attention_mask: Tensor, cross: list[KeyValue], past: list[KeyValue]
    ) -> tuple[Tensor, list[KeyValue]]:
        """Return logits [B, T, V] of the tokens after ids [B, T], and the grown cache.

        Args:
            ids: Target tokens that follow the cached ones.
            attention_mask: The source's mask [B, S].
            cross: From `cross_keys_values`.
            past: From `empty_cache` or the call before.
        """
        past_length = past[0][0].shape[2]
        mask = causal_mask(ids.shape[1], past_length + ids.shape[1], ids.device)  # [T, P + T]
        cross_mask = padding_mask(attention_mask)  # [B, 1, 1, S]
        x, present = self.target(ids, past_length), []  # [B, T, W]
        for block, block_cross, block_past in zip(self.decoder, cross, past, strict=True):
            x, grown = block(x, mask, block_cross, cross_mask, block_past)
            present.append(grown)
        return F.linear(self.decoder_norm(x), self.target.token.weight), present  # [B, T, V]

    def forward(self, source: Tensor, attention_mask: Tensor, target: Tensor) -> Tensor:
        """Return logits [B, T, V] under teacher forcing: row t predicts target t + 1."""
        cross = self.cross_keys_values(self.encode(source, attention_mask))
        empty = self.empty_cache(target.shape[0])
        return self.decode(target, attention_mask, cross, empty)[0]


@torch.inference_mode()
def greedy(model: Transformer, source: Tensor, attention_mask: Tensor, limit: int = 64) -> Tensor:
    """Return the likeliest token at each step, [B, <= limit], pad_id after eos_id."""
    return beam_search(model, source, attention_mask, beams=1, limit=limit)


@torch.inference_mode()
def beam_search(
    model: Transformer, source: Tensor, attention_mask: Tensor, beams: int = 4, limit: int = 64
) -> Tensor:
    """Return the best of `beams` translations for each source [B, S], [B, <= limit].

    Candidates are ranked by log probability over ((5 + length) / 6) ** 0.6 (6.1 of the paper).
    """
    config, batch = model.config, source.shape[0]
    check_lengths(config, source.shape[1], limit)
    attention_mask = attention_mask.repeat_interleave(beams, 0)  # [B * K, S], K beams
    memory = model.encode(source.repeat_interleave(beams, 0), attention_mask)
    cross, cache = model.cross_keys_values(memory), model.empty_cache(batch * beams)
    ids = source.new_full((batch * beams, 1), config.bos_id)  # [B * K, 1 + steps]
    score = memory.new_full((batch, beams), -math.inf)  # log probability of each beam
    score[:, 0] = 0.0  # all beams start equal: keep one, or they would stay copies
    first_row = torch.arange(batch, device=ids.device)[:, None] * beams  # [B, 1]
    done = torch.zeros_like(ids[:, 0], dtype=torch.bool)  # [B * K]
    while ids.shape[1] <= limit and not done.all():
        logits, cache = model.decode(ids[:, -1:], attention_mask, cross, cache)
        log_p = logits[:, -1].float().log_softmax(-1)  # [B * K, V]
        log_p[done] = -math.inf
        log_p[done, config.pad_id] = 0.0  # a finished beam waits at no cost
        total = (score.view(-1, 1) + log_p).view(batch, -1)  # [B, K * V]
        score, choice = total.topk(beams)  # [B, K]
        row = (first_row + choice // config.target_vocab).flatten()  # [B * K]
        token = (choice % config.target_vocab).flatten()
        ids = torch.cat((ids[row], token[:, None]), dim=1)
        cache = [(key[row], value[row]) for key, value in cache]
        done = done[row] | (token == config.eos_id)
    length = (ids[:, 1:] != config.pad_id).sum(1).view(batch, beams)
    best = (score / ((5 + length) / 6) ** 0.6).argmax(1, keepdim=True)  # [B, 1]
    return ids[(first_row + best).flatten(), 1:]


def check_lengths(config: TransformerConfig, source: int, limit: int) -> None:
    """Raise ModelError where a length exceeds the positions the model has."""
    if max(source, limit) > config.max_length:
        raise ModelError(
            f"{source} source tokens and up to {limit} target tokens were asked for, "
            f"but the model has {config.max_length} positions",
            fix="shorten the text or split it into sentences",
        )
