"""The folders that the start of text commands is measured on, exported by one checkout.

    python -m reports.startup.prepare WORK SIDE CHECKOUT

Writes WORK/SIDE/NAME for every name of `MODELS`: the preset zh-en, two real checkpoints that come
inside registry packages, and tiny random ones. CHECKOUT is the repository whose `pipeline` exports
them: folders are read by the version that wrote them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

MODELS = ("zh-en", "gpt2-tiny", "llama-tiny", "bert-tiny", "bert-tiny-classes", "minilm", "smollm2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("side")
    parser.add_argument("checkout", type=Path)
    given = parser.parse_args()
    for name in MODELS:
        folder = given.work.resolve() / given.side / name
        if not (folder / "manifest" / "export.json").is_file():
            model = str(source(name, given.work.resolve() / "checkpoints"))
            task = ["--task", "text-classification"] if name == "bert-tiny-classes" else []
            pipeline(given.checkout, "export", model, "-o", str(folder), *task)
            pipeline(given.checkout, "optimize", str(folder), "--target", "ort-cpu")


def pipeline(checkout: Path, *words: str) -> None:
    """Run a command of a checkout, with the packages of this environment."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-P", "-m", "pipeline", *words]
    subprocess.run(command, check=True, env=environment, cwd=checkout)


def source(name: str, folder: Path) -> Path | str:
    """Return what is exported under a name; tiny checkpoints are made once."""
    if name in ("minilm", "smollm2"):
        from tests import real_checkpoints

        return getattr(real_checkpoints, name)()
    if name == "zh-en":
        return name
    if not (folder / name).is_dir():
        tiny(name, folder / name)
    return folder / name


def tiny(name: str, folder: Path) -> None:
    """Write a random checkpoint with a tokenizer of its kind."""
    import torch
    import transformers as hf

    from tests.pipeline.tokenizer.kinds import FAST

    kind = {"gpt2-tiny": "byte_level", "llama-tiny": "byte_fallback"}.get(name, "wordpiece")
    tokenizer = FAST[kind]()
    torch.manual_seed(0)
    size = len(tokenizer)
    if name == "gpt2-tiny":
        model = hf.GPT2LMHeadModel(hf.GPT2Config(
            vocab_size=size, n_embd=64, n_layer=2, n_head=4, n_positions=256,
            bos_token_id=0, eos_token_id=0,
        ))  # fmt: skip
    elif name == "llama-tiny":
        model = hf.LlamaForCausalLM(hf.LlamaConfig(
            vocab_size=size, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
        ))  # fmt: skip
    else:
        config = hf.BertConfig(
            vocab_size=size, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=64, num_labels=3,
        )  # fmt: skip
        kind_of = hf.BertForMaskedLM if name == "bert-tiny" else hf.BertForSequenceClassification
        model = kind_of(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
