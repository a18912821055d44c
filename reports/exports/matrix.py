"""What exports: every tiny preset and 31 kinds of Hugging Face model, by exporter and cache form.

python -m reports.exports.matrix            # data.json and report.md beside this file
python -m reports.exports.matrix llama t5   # only these, merged into data.json
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from reports.exports.render import HERE, WAYS, known, write

os.environ.setdefault("OMP_NUM_THREADS", "1")

TEXT = {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "pad_token_id": 1, "max_position_embeddings": 64}  # fmt: skip
GROUPED = {**TEXT, "num_key_value_heads": 2}
OLD = {"vocab_size": 128, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}
HALVES = {"vocab_size": 128, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
          "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 128,
          "decoder_ffn_dim": 128, "max_position_embeddings": 64, "pad_token_id": 1,
          "eos_token_id": 2, "decoder_start_token_id": 2, "bos_token_id": 0,
          "forced_eos_token_id": 2}  # fmt: skip
VISION = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
          "intermediate_size": 128, "image_size": 32, "patch_size": 8}  # fmt: skip
CAUSAL, HALF, MASKED = "AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForMaskedLM"
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("AutoModelForSequenceClassification", "bert", TEXT),
    "bert-mlm": (MASKED, "bert", TEXT),
    "roberta": ("AutoModelForTokenClassification", "roberta", TEXT),
    "distilbert": ("AutoModelForQuestionAnswering", "distilbert",
                   {"vocab_size": 128, "dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128}),
    "deberta": ("AutoModel", "deberta-v2", {**TEXT, "relative_attention": True,
                "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}),
    "mpnet": ("AutoModel", "mpnet", TEXT),
    "albert": (MASKED, "albert", {**TEXT, "embedding_size": 32}),
    "modernbert": (MASKED, "modernbert", {**TEXT, "num_hidden_layers": 4, "local_attention": 8,
                   "global_attn_every_n_layers": 3, "cls_token_id": 1, "sep_token_id": 2,
                   "bos_token_id": 1, "eos_token_id": 2}),
    "gpt2": (CAUSAL, "gpt2", OLD),
    "gptj": (CAUSAL, "gptj", {**OLD, "rotary_dim": 8}),
    "gpt_neo": (CAUSAL, "gpt_neo", {"vocab_size": 128, "hidden_size": 64, "num_layers": 2,
                "num_heads": 4, "window_size": 6, "max_position_embeddings": 64,
                "attention_types": [[["global", "local"], 1]]}),
    "opt": (CAUSAL, "opt", {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "ffn_dim": 128, "word_embed_proj_dim": 64,
            "max_position_embeddings": 64}),
    "bloom": (CAUSAL, "bloom", {"vocab_size": 128, "hidden_size": 64, "n_layer": 2, "n_head": 4}),
    "falcon": (CAUSAL, "falcon", {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 4, "multi_query": True, "parallel_attn": True,
               "alibi": False, "new_decoder_architecture": False}),
    "llama": (CAUSAL, "llama", GROUPED),
    "mistral": (CAUSAL, "mistral", {**GROUPED, "sliding_window": 6}),
    "mixtral": (CAUSAL, "mixtral", {**GROUPED, "num_local_experts": 4}),
    "qwen3": (CAUSAL, "qwen3", {**GROUPED, "head_dim": 32}),
    "gemma2": (CAUSAL, "gemma2", {**GROUPED, "head_dim": 32, "sliding_window": 6}),
    "phi": (CAUSAL, "phi", {**TEXT, "partial_rotary_factor": 0.5}),
    "smollm3": (CAUSAL, "smollm3", {**GROUPED, "no_rope_layer_interval": 2}),
    "gpt_oss": (CAUSAL, "gpt_oss", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2,
                "head_dim": 32, "sliding_window": 6}),
    "bart": (HALF, "bart", HALVES),
    "marian": (HALF, "marian", HALVES),
    "m2m_100": (HALF, "m2m_100", HALVES),
    "t5": (HALF, "t5", {"vocab_size": 128, "d_model": 64, "d_kv": 16, "d_ff": 128,
           "num_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
           "relative_attention_max_distance": 16, "pad_token_id": 1, "eos_token_id": 2,
           "decoder_start_token_id": 2}),
    "whisper": ("AutoModelForSpeechSeq2Seq", "whisper", {**HALVES, "num_mel_bins": 16,
                "max_source_positions": 20, "max_target_positions": 40, "suppress_tokens": [],
                "begin_suppress_tokens": []}),
    "wav2vec2": ("AutoModelForCTC", "wav2vec2", {"vocab_size": 32, "hidden_size": 64,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
                 "conv_dim": [16, 16, 16], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 3],
                 "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 8,
                 "num_conv_pos_embedding_groups": 4}),
    "vit": ("AutoModelForImageClassification", "vit", VISION),
    "swin": ("AutoModelForImageClassification", "swin", {"image_size": 32, "patch_size": 2,
             "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4}),
    "clip": ("AutoModel", "clip", {"text_config": {**TEXT, "eos_token_id": 127, "bos_token_id": 2,
             "max_position_embeddings": 32}, "vision_config": VISION, "projection_dim": 32}),
}  # fmt: skip


def save_random(name: str, folder: Path) -> None:
    """Save a seeded model whose every weight shows in its outputs."""
    import torch
    import transformers

    auto, kind, sizes = MODELS[name]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **sizes)
    model = getattr(transformers, auto).from_config(config).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.05)
    model.save_pretrained(folder)


def export_once(model: str, exporter: str, kv_cache: str) -> dict[str, Any]:
    """Return what one export came to."""
    from pipeline.errors import PipelineError
    from pipeline.records.export import ExportRecord
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            options = ExportOptions(model, Path(folder), exporter=exporter, kv_cache=kv_cache)  # type: ignore[arg-type]
            record = ExportRecord.of(export_model(options))
        except PipelineError as err:
            return {"ok": False, "why": err.what.splitlines()[0]}
    return {
        "ok": True,
        "task": record.task,
        "seconds": round(time.monotonic() - started, 1),
        "difference": max(record.proof.largest_relative_difference.values()),
        "nodes": {name: part.nodes for name, part in record.parts.items()},
        "sizes": sorted({size for part in record.parts.values() for size in part.dims}),
    }


def measure(name: str, found: dict[str, Any], folder: Path) -> None:
    """Add the rows of one model to `found`."""
    model = name
    if name in MODELS:
        model = str(folder / name)
        save_random(name, folder / name)
    for exporter, kv_cache in WAYS:
        told = found.get(f"{name} dynamo concat", {})
        cached = "past" in told.get("sizes", ())
        if kv_cache != "concat" and (
            not cached or (kv_cache == "static" and "target" in told["sizes"])
        ):
            continue
        row = export_once(model, exporter, kv_cache)
        found[f"{name} {exporter} {kv_cache}"] = row
        print(name, exporter, kv_cache, row.get("difference", row.get("why")), flush=True)


def main() -> None:
    """Measure the models named on the command line, or all, and write the report."""
    from models.presets import PRESETS

    tiny = [name for name in PRESETS if name.endswith("-tiny") or name == "zh-en"]
    found = known(HERE / "data.json")
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or [*tiny, *MODELS]:
            measure(name, found, Path(folder))
            write(found)


if __name__ == "__main__":
    main()
