"""Tiny checkpoints, saved once per session, and a Progress that remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

WIDTHS = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
          "intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 1}  # fmt: skip
HALVES = {"vocab_size": 64, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2,
          "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
          "decoder_ffn_dim": 64, "max_position_embeddings": 64, "pad_token_id": 1,
          "eos_token_id": 2, "decoder_start_token_id": 2, "bos_token_id": 0,
          "forced_eos_token_id": 2}  # fmt: skip
GEMMA = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
         "layer_types": ["full_attention"], "max_position_embeddings": 64}  # fmt: skip
MADE = {
    "llama": ("AutoModelForCausalLM", "llama", {**WIDTHS, "num_key_value_heads": 2}),
    "bert": ("AutoModelForSequenceClassification", "bert", WIDTHS),
    "bart": ("AutoModelForSeq2SeqLM", "bart", HALVES),
    "whisper": (
        "AutoModelForSpeechSeq2Seq",
        "whisper",
        {**HALVES, "num_mel_bins": 8, "max_source_positions": 10, "max_target_positions": 40,
         "suppress_tokens": [], "begin_suppress_tokens": []},
    ),
    "moonshine": (
        "AutoModelForSpeechSeq2Seq",
        "moonshine",
        {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
         "encoder_num_hidden_layers": 1, "decoder_num_hidden_layers": 1,
         "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
         "max_position_embeddings": 64},
    ),
    "t5gemma": (
        "AutoModelForSeq2SeqLM",
        "t5gemma",
        {"encoder": GEMMA, "decoder": GEMMA, "vocab_size": 64},
    ),
    "vit": (
        "AutoModelForImageClassification",
        "vit",
        {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
         "intermediate_size": 64, "image_size": 16, "patch_size": 8},
    ),
}  # fmt: skip


def random_model(name: str):
    """Return a seeded tiny model in eval mode whose every weight shows in its outputs."""
    import torch
    import transformers

    auto, kind, sizes = MADE[name]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **sizes)
    model = getattr(transformers, auto).from_config(config).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.1)
    return model


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Return a function from a name in MADE to a saved checkpoint folder."""
    root: Path = tmp_path_factory.mktemp("checkpoints")

    def folder(name: str) -> Path:
        path = root / name
        if not path.exists():
            random_model(name).save_pretrained(path)
        return path

    return folder


class Told:
    """A Progress that keeps what it was told."""

    def __init__(self):
        self.steps, self.notes = [], []

    def step(self, text, done=None, total=None):
        self.steps.append(text)

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def told() -> Told:
    return Told()
