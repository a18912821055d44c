"""Small adapters, as peft saves them."""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from tests.pipeline.tokenizer.kinds import FAST

PREFIX = "base_model.model."
LAYER = "model.layers.0.self_attn."


def base(folder, **more):
    """Write a small decoder with its tokenizer; return the model."""
    tokenizer = FAST["byte_fallback"]()
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=12, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=32, **more,
    )).eval().requires_grad_(False)  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def adapter(folder, tensors=None, **config):
    """Write an adapter; without tensors, one of rank 2 for the queries."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    if tensors is None:
        tensors = pair(f"{LAYER}q_proj", 8, 8)
    named = {PREFIX + name: value.contiguous() for name, value in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    return folder


def pair(module, out, into, rank=2, kind=""):
    """Return the two halves of what is added to a matrix [out, into]."""
    first, second = noise(rank, into, seed=2), noise(out, rank, seed=3)
    ending = "" if kind else ".weight"
    return {f"{module}.lora_{kind}A{ending}": first, f"{module}.lora_{kind}B{ending}": second}
