"""GPT-2: a decoder with learned positions and pre-norm, in reading order.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
Proof:  tests/models/test_gpt2.py compares it with transformers' GPT-2, with and without a cache.

Shapes at line ends: B batch, T new tokens, P past tokens, L = P + T, H heads, D width of one head,
W = H * D width, V vocabulary. attention_mask [B, L] is 1 on real tokens and 0 on padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import ModelError

KeyValue: TypeAlias = tuple[Tensor, Tensor]  # keys and values, each [B, H, P, D]


@dataclass(frozen=True)
class Gpt2Config:
    """Sizes; the defaults are those of gpt2 (124M)."""

    vocab: int = 50257
    width: int = 768
    heads: int = 12
    layers: int = 12
    hidden: int = 3072
    max_length: int = 1024
    norm_eps: float = 1e-5
    bos_id: int = 50256
    eos_id: int = 50256

    def __post_init__(self) -> None:
        """Raise ModelError where the heads do not divide the width."""
        if self.width % self.heads:
            raise ModelError(f"width {self.width} is not a multiple of heads {self.heads}")

    @property
    def cache_shape(self) -> tuple[int, int]:
        """Return heads and head width of a cached key or value."""
        return self.heads, self.width // self.heads


class Attention(nn.Module):
    """Causal self-attention over a cache; one matrix makes query, key and value."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.heads, self.head_width = config.cache_shape
        self.packed = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def split(self, x: Tensor) -> Tensor:
        """Return x [B, T, W] cut into heads [B, H, T, D]."""
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor, past: KeyValue) -> tuple[Tensor, KeyValue]:
        """Return what x [B, T, W] gathers, [B, T, W], and the cache grown to [B, H, L, D]."""
        query, key, value = (self.split(part) for part in self.packed(x).chunk(3, dim=-1))
        key = torch.cat((past[0], key), dim=2)  # [B, H, L, D]
        value = torch.cat((past[1], value), dim=2)  # [B, H, L, D]
        scores = query @ key.transpose(-2, -1) / math.sqrt(self.head_width)  # [B, H, T, L]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        mixed = scores.softmax(dim=-1) @ value  # [B, H, T, D]
        return self.output(mixed.transpose(1, 2).flatten(2)), (key, value)  # [B, T, W]


class FeedForward(nn.Module):
    """Two linear maps with the tanh form of GELU between them."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.hidden)
        self.contract = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed x [B, T, W]."""
        contracted: Tensor = self.contract(F.gelu(self.expand(x), approximate="tanh"))
        return contracted


class Block(nn.Module):
    """Norm before attention and before feed-forward, residuals around both."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.LayerNorm(config.width, config.norm_eps)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, mask: Tensor, past: KeyValue) -> tuple[Tensor, KeyValue]:
        """Return x [B, T, W] after the block, and the grown cache."""
        attended, present = self.attention(self.attention_norm(x), mask, past)
        x = x + attended
        return x + self.feed_forward(self.feed_forward_norm(x)), present


class Gpt2(nn.Module):
    """The whole model; the output matrix is the token embedding's."""

    def __init__(self, config: Gpt2Config) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.position = nn.Embedding(config.max_length, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, config.norm_eps)

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
        x, present = self.token(input_ids) + self.position(position_ids), []  # [B, T, W]
        for block, block_past in zip(self.blocks, past, strict=True):
            x, grown = block(x, mask, block_past)
            present.append(grown)
        return F.linear(self.norm(x), self.token.weight), present  # [B, T, V]


_HF_NAMES = (
    ("wte.", "token."), ("wpe.", "position."), ("ln_f.", "norm."), ("h.", "blocks."),
    (".ln_1.", ".attention_norm."), (".ln_2.", ".feed_forward_norm."),
    (".attn.c_attn.", ".attention.packed."), (".attn.c_proj.", ".attention.output."),
    (".mlp.c_fc.", ".feed_forward.expand."), (".mlp.c_proj.", ".feed_forward.contract."),
)  # fmt: skip


def from_hugging_face(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return Hugging Face's tensors under our names; its Conv1D matrices are transposed."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = name.removeprefix("transformer.")
        if ours == "lm_head.weight" or ours.endswith((".attn.bias", ".attn.masked_bias")):
            continue  # the embedding again, and a causal mask
        for theirs, replacement in _HF_NAMES:
            if theirs.startswith(".") or ours.startswith(theirs):
                ours = ours.replace(theirs, replacement, 1)
        matrix = ours.endswith("weight") and tensor.dim() == 2 and ours.startswith("blocks.")
        renamed[ours] = tensor.t().contiguous() if matrix else tensor
    return renamed


def config_from_hugging_face(config: dict[str, object]) -> Gpt2Config:
    """Return the sizes named by a config.json."""
    known = {
        "vocab": "vocab_size", "width": "n_embd", "heads": "n_head", "layers": "n_layer",
        "max_length": "n_positions", "norm_eps": "layer_norm_epsilon",
        "bos_id": "bos_token_id", "eos_id": "eos_token_id",
    }  # fmt: skip
    sizes = {ours: config[theirs] for ours, theirs in known.items() if theirs in config}
    if config.get("activation_function", "gelu_new") != "gelu_new":
        raise ModelError(f"activation {config['activation_function']!r} is not GPT-2's gelu_new")
    width = sizes.get("width", Gpt2Config.width)
    sizes["hidden"] = config.get("n_inner") or 4 * int(str(width))
    return Gpt2Config(**sizes)  # type: ignore[arg-type]
