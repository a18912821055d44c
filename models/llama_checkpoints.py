"""Llama's two checkpoint layouts under our names: Meta's own and Hugging Face's.

Meta: params.json beside consolidated.00.pth, consolidated.01.pth, ...; each matrix is cut along
one axis over the shards. Its rotary pairs are neighbours (0, 1), (2, 3), ...; ours, like Hugging
Face's, are (0, D / 2), (1, D / 2 + 1), ..., so the rows of query and key are reordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoints import read_json, read_pickle
from models.errors import ModelError
from models.llama import LlamaConfig

_META_NAMES = (
    ("tok_embeddings.", "token."), ("output.", "head."), ("norm.", "norm."),
    ("layers.", "blocks."), (".attention.wq.", ".attention.query."),
    (".attention.wk.", ".attention.key."), (".attention.wv.", ".attention.value."),
    (".attention.wo.", ".attention.output."), (".feed_forward.w1.", ".feed_forward.gate."),
    (".feed_forward.w2.", ".feed_forward.contract."),
    (".feed_forward.w3.", ".feed_forward.expand."), (".ffn_norm.", ".feed_forward_norm."),
)  # fmt: skip
_HF_NAMES = (
    ("embed_tokens.", "token."), ("lm_head.", "head."), ("layers.", "blocks."),
    (".self_attn.q_proj.", ".attention.query."), (".self_attn.k_proj.", ".attention.key."),
    (".self_attn.v_proj.", ".attention.value."), (".self_attn.o_proj.", ".attention.output."),
    (".mlp.gate_proj.", ".feed_forward.gate."), (".mlp.up_proj.", ".feed_forward.expand."),
    (".mlp.down_proj.", ".feed_forward.contract."), (".input_layernorm.", ".attention_norm."),
    (".post_attention_layernorm.", ".feed_forward_norm."),
)  # fmt: skip
# Along which axis Meta's parallel layers are cut: 0 rows, 1 columns; norms are repeated.
_CUT = {
    "token": 1, "head": 0, "query": 0, "key": 0, "value": 0, "output": 1,
    "gate": 0, "expand": 0, "contract": 1,
}  # fmt: skip


def _rename(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for theirs, ours in table:
        if theirs.startswith(".") or name.startswith(theirs):
            name = name.replace(theirs, ours, 1)
    return name


def read_meta(folder: Path) -> tuple[LlamaConfig, dict[str, Tensor]]:
    """Return configuration and weights of a folder in Meta's layout.

    Raises:
        ModelError: A shard is missing, truncated, unsafe, or does not fit params.json.
    """
    params = read_json(folder / "params.json")
    shards = [read_pickle(path) for path in _shards(folder)]
    merged: dict[str, Tensor] = {}
    for name in shards[0]:
        if name == "rope.freqs":
            continue  # recomputed
        ours = _rename(name, _META_NAMES)
        cut = _CUT.get(ours.split(".")[-2])
        parts = [_of(shard, name, folder) for shard in shards]
        merged[ours] = parts[0] if cut is None or len(parts) == 1 else torch.cat(parts, dim=cut)
    config = _meta_config(params, merged, folder)
    for name in merged:
        if name.endswith((".attention.query.weight", ".attention.key.weight")):
            merged[name] = _pair_halves(merged[name], config.width // config.heads)
    return config, merged


def _of(shard: Mapping[str, Tensor], name: str, folder: Path) -> Tensor:
    if name not in shard:
        raise ModelError(f"a shard lacks {name}", where=str(folder), fix="download it again")
    return shard[name]


def _shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob("consolidated.*.pth"))
    expected = [folder / f"consolidated.{index:02d}.pth" for index in range(len(found))]
    if not found or found != expected:
        missing = next((path.name for path in expected if path not in found), "consolidated.00.pth")
        raise ModelError(
            f"{missing} is missing beside {len(found)} other shards",
            where=str(folder),
            fix="download every consolidated.*.pth of the checkpoint",
        )
    return found


def _meta_config(
    params: Mapping[str, object], merged: Mapping[str, Tensor], folder: Path
) -> LlamaConfig:
    """Return the sizes of params.json; the hidden width follows Meta's own rule."""
    try:
        width, heads = int(str(params["dim"])), int(str(params["n_heads"]))
        layers, eps = int(str(params["n_layers"])), float(str(params["norm_eps"]))
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"params.json is incomplete: {error}", where=str(folder / "params.json"),
            fix="use the params.json that came with the shards",
        ) from error  # fmt: skip
    hidden = int(2 * 4 * width / 3)
    if params.get("ffn_dim_multiplier") is not None:
        hidden = int(float(str(params["ffn_dim_multiplier"])) * hidden)
    multiple = int(str(params.get("multiple_of", 256)))
    hidden = multiple * -(-hidden // multiple)
    vocab = int(str(params.get("vocab_size", -1)))
    if vocab <= 0 and "token.weight" in merged:  # llama2 writes -1: the tokenizer's size
        vocab = merged["token.weight"].shape[0]
    if "token.weight" in merged and merged["token.weight"].shape[1] != width:
        raise ModelError(
            f"the shards together are {merged['token.weight'].shape[1]} wide, "
            f"params.json says {width}",
            where=str(folder),
            fix="a shard is missing, or params.json belongs to another model",
        )
    return LlamaConfig(
        vocab=vocab, width=width, heads=heads, kv_heads=int(str(params.get("n_kv_heads") or heads)),
        layers=layers, hidden=hidden, norm_eps=eps,
        rotary_base=float(str(params.get("rope_theta", 10000.0))),
    )  # fmt: skip


def _pair_halves(matrix: Tensor, head_width: int) -> Tensor:
    """Return the rows reordered from neighbouring pairs to pairs half a head apart."""
    rows, columns = matrix.shape
    heads = rows // head_width
    paired = matrix.view(heads, head_width // 2, 2, columns).transpose(1, 2)
    return paired.reshape(rows, columns)


def from_hugging_face(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return Hugging Face's tensors under our names."""
    renamed = {_rename(name.removeprefix("model."), _HF_NAMES): t for name, t in tensors.items()}
    return {name: t for name, t in renamed.items() if not name.endswith(".inv_freq")}


def config_from_hugging_face(config: Mapping[str, object]) -> LlamaConfig:
    """Return the sizes named by a config.json.

    Raises:
        ModelError: The configuration asks for what llama2 does not have.
    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    assert isinstance(rope, dict)
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ModelError(
            f"scaled rotary positions {rope} are not llama2's",
            fix="export the folder itself instead of naming this preset",
        )
    known = {
        "vocab": "vocab_size", "width": "hidden_size", "heads": "num_attention_heads",
        "kv_heads": "num_key_value_heads", "layers": "num_hidden_layers",
        "hidden": "intermediate_size", "max_length": "max_position_embeddings",
        "norm_eps": "rms_norm_eps", "tied": "tie_word_embeddings",
        "bos_id": "bos_token_id", "eos_id": "eos_token_id",
    }  # fmt: skip
    sizes = {ours: config[name] for ours, name in known.items() if config.get(name) is not None}
    sizes.setdefault("kv_heads", sizes.get("heads", LlamaConfig.heads))
    sizes["rotary_base"] = float(str(rope.get("rope_theta", config.get("rope_theta", 10000.0))))
    return LlamaConfig(**sizes)  # type: ignore[arg-type]
