"""BERT: the encoder of a transformer, and its four usual heads, in reading order.

Source: Devlin et al. 2018, https://arxiv.org/abs/1810.04805.
Proof:  tests/models/test_bert.py compares every head with transformers' own BERT.

Shapes at line ends: B batch, S length, H heads, D width of one head, W = H * D width, V vocabulary,
C classes. attention_mask is 1 on real tokens and 0 on padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import ModelError


@dataclass(frozen=True)
class BertConfig:
    """Sizes; the defaults are those of bert-base-uncased."""

    vocab: int = 30522
    width: int = 768
    heads: int = 12
    layers: int = 12
    hidden: int = 3072
    max_length: int = 512
    types: int = 2
    classes: int = 2  # of the two classification heads
    norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        """Raise ModelError where the heads do not divide the width."""
        if self.width % self.heads:
            raise ModelError(f"width {self.width} is not a multiple of heads {self.heads}")


class SelfAttention(nn.Module):
    """Every token looks at every real token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads, self.head_width = config.heads, config.width // config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def split(self, x: Tensor) -> Tensor:
        """Return x [B, S, W] cut into heads [B, H, S, D]."""
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what each token of x [B, S, W] gathers, [B, S, W]."""
        query, key = self.split(self.query(x)), self.split(self.key(x))  # [B, H, S, D]
        scores = query @ key.transpose(-2, -1) / math.sqrt(self.head_width)  # [B, H, S, S]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        mixed = scores.softmax(dim=-1) @ self.split(self.value(x))  # [B, H, S, D]
        joined: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # [B, S, W]
        return joined


class FeedForward(nn.Module):
    """Two linear maps with a GELU between them."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.hidden)
        self.contract = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed x [B, S, W]."""
        contracted: Tensor = self.contract(F.gelu(self.expand(x)))
        return contracted


class Block(nn.Module):
    """Attention and feed-forward, each followed by residual and norm (post-norm)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention, self.feed_forward = SelfAttention(config), FeedForward(config)
        self.attention_norm = nn.LayerNorm(config.width, config.norm_eps)
        self.feed_forward_norm = nn.LayerNorm(config.width, config.norm_eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return x [B, S, W] after the block."""
        x = self.attention_norm(x + self.attention(x, mask))
        y: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return y


class Embedding(nn.Module):
    """Token, learned position and segment embeddings, summed and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab, config.width)
        self.position = nn.Embedding(config.max_length, config.width)
        self.segment = nn.Embedding(config.types, config.width)
        self.norm = nn.LayerNorm(config.width, config.norm_eps)

    def forward(self, ids: Tensor, types: Tensor) -> Tensor:
        """Return the embedding [B, S, W] of ids [B, S] in segments types [B, S]."""
        position = torch.arange(ids.shape[1], device=ids.device)  # [S]
        total = self.token(ids) + self.segment(types) + self.position(position)  # [B, S, W]
        normed: Tensor = self.norm(total)
        return normed


class Bert(nn.Module):
    """The encoder without a head."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, ids: Tensor, attention_mask: Tensor, types: Tensor) -> Tensor:
        """Return the last hidden state [B, S, W]."""
        mask = attention_mask[:, None, None, :].to(torch.bool)  # [B, 1, 1, S]
        x = self.embedding(ids, types)  # [B, S, W]
        for block in self.blocks:
            x = block(x, mask)
        hidden: Tensor = x
        return hidden


class BertEmbedder(nn.Module):
    """Token states and one unit vector per text (the mean over its real tokens)."""

    outputs = ("last_hidden_state", "sentence_embedding")

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config, self.bert = config, Bert(config)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the hidden state [B, S, W] and the embedding [B, W] of length 1."""
        hidden = self.bert(input_ids, attention_mask, token_type_ids)  # [B, S, W]
        weight = attention_mask[:, :, None].to(hidden.dtype)  # [B, S, 1]
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)  # [B, W]
        return hidden, F.normalize(mean, dim=-1)


class BertSentenceClassifier(nn.Module):
    """One class per text, from the first token."""

    outputs = ("logits",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config, self.bert = config, Bert(config)
        self.pooler = nn.Linear(config.width, config.width)
        self.classifier = nn.Linear(config.width, config.classes)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor]:
        """Return logits [B, C]."""
        first = self.bert(input_ids, attention_mask, token_type_ids)[:, 0]  # [B, W]
        return (self.classifier(torch.tanh(self.pooler(first))),)  # [B, C]


class BertTokenClassifier(nn.Module):
    """One class per token, as in named entity recognition."""

    outputs = ("logits",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config, self.bert = config, Bert(config)
        self.classifier = nn.Linear(config.width, config.classes)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor]:
        """Return logits [B, S, C]."""
        return (self.classifier(self.bert(input_ids, attention_mask, token_type_ids)),)


class BertMaskedLM(nn.Module):
    """The word behind each [MASK]; the output matrix is the token embedding's."""

    outputs = ("logits",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config, self.bert = config, Bert(config)
        self.transform = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, config.norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor]:
        """Return logits [B, S, V]."""
        hidden = self.bert(input_ids, attention_mask, token_type_ids)  # [B, S, W]
        hidden = self.norm(F.gelu(self.transform(hidden)))
        return (F.linear(hidden, self.bert.embedding.token.weight, self.bias),)  # [B, S, V]


HEADS: dict[str, type[nn.Module]] = {
    "feature-extraction": BertEmbedder,
    "text-classification": BertSentenceClassifier,
    "token-classification": BertTokenClassifier,
    "fill-mask": BertMaskedLM,
}

# Hugging Face's name -> ours, applied in order.
HF_NAMES = (
    ("bert.embeddings.word_embeddings", "bert.embedding.token"),
    ("bert.embeddings.position_embeddings", "bert.embedding.position"),
    ("bert.embeddings.token_type_embeddings", "bert.embedding.segment"),
    ("bert.embeddings.LayerNorm", "bert.embedding.norm"),
    ("bert.encoder.layer.", "bert.blocks."),
    (".attention.self.", ".attention."),
    (".attention.output.dense", ".attention.output"),
    (".attention.output.LayerNorm", ".attention_norm"),
    (".intermediate.dense", ".feed_forward.expand"),
    (".output.LayerNorm", ".feed_forward_norm"),
    (".output.dense", ".feed_forward.contract"),
    ("bert.pooler.dense", "pooler"),
    ("cls.predictions.transform.dense", "transform"),
    ("cls.predictions.transform.LayerNorm", "norm"),
    ("cls.predictions.bias", "bias"),
)


def from_hugging_face(tensors: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Return Hugging Face's tensors under our names, those of heads not `wanted` left out."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = name if name.startswith(("bert.", "cls.", "classifier.")) else f"bert.{name}"
        for theirs, replacement in HF_NAMES:
            ours = ours.replace(theirs, replacement)
        ours = ours.replace(".gamma", ".weight").replace(".beta", ".bias")  # the oldest files
        if ours in wanted or ours.startswith("bert."):
            renamed[ours] = tensor
    renamed.pop("bert.embeddings.position_ids", None)
    return renamed


def config_from_hugging_face(config: dict[str, object]) -> BertConfig:
    """Return the sizes named by a config.json."""
    known = {
        "vocab": "vocab_size", "width": "hidden_size", "heads": "num_attention_heads",
        "layers": "num_hidden_layers", "hidden": "intermediate_size",
        "max_length": "max_position_embeddings", "types": "type_vocab_size",
        "norm_eps": "layer_norm_eps",
    }  # fmt: skip
    sizes = {ours: config[theirs] for ours, theirs in known.items() if theirs in config}
    labels = config.get("id2label")
    if isinstance(labels, dict):
        sizes["classes"] = len(labels)
    if config.get("hidden_act", "gelu") != "gelu":
        raise ModelError(f"hidden_act {config['hidden_act']!r} is not BERT's gelu")
    return BertConfig(**sizes)  # type: ignore[arg-type]
