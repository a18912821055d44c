"""Small sentence encoders, as sentence-transformers saves them."""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from pipeline.stages.export.sentence_files import POOLINGS
from tests.pipeline.tokenizer.kinds import FAST

SIZE, OUT = 8, 6
KINDS = "sentence_transformers.models."


def write(path, obj):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj))


def modules(folder, *kinds):
    """Write modules.json for modules of these kinds; return their folders."""
    places = ["" if n == 0 else f"{n}_{kind}" for n, kind in enumerate(kinds)]
    entries = [
        {"idx": n, "name": str(n), "path": place, "type": KINDS + kind}
        for n, (kind, place) in enumerate(zip(kinds, places, strict=True))
    ]
    write(folder / "modules.json", entries)
    return [folder / place for place in places]


def pooling(place, *modes, **more):
    flags = {f"pooling_mode_{flag}": mode in modes for flag, mode in POOLINGS.items()}
    write(place / "config.json", {"word_embedding_dimension": SIZE, **flags, **more})


def dense(place, size=SIZE, activation="torch.nn.modules.activation.Tanh"):
    told = {"in_features": size, "out_features": OUT, "bias": True}
    write(place / "config.json", {**told, "activation_function": activation})
    noise = torch.Generator().manual_seed(1)
    weight = torch.randn(OUT, size, generator=noise)
    save_file(
        {"linear.weight": weight, "linear.bias": torch.arange(OUT) / 10},
        place / "model.safetensors",
    )
    return weight


def sentence_encoder(folder, *modes, steps=("Dense", "Normalize"), longest=7, **settings):
    """Write a small BERT with pooling and steps; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = FAST["wordpiece"]()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=12, max_position_embeddings=24,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    places = modules(folder, "Transformer", "Pooling", *steps)
    pooling(places[1], *modes)
    for kind, place in zip(steps, places[2:], strict=True):
        if kind == "Dense":
            dense(place, SIZE * len(modes))
    write(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": True})
    if settings:
        write(folder / "config_sentence_transformers.json", settings)
    return folder
