"""The folder that onnxruntime-genai loads: a decoder, genai_config.json, the tokenizer.

**Source**: onnxruntime-genai's reference of genai_config.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.package.cases import write_check
from pipeline.package.subject import Subject, refuse, refuse_written_in_place
from pipeline.stages.runners.kv_cache import PAST, PRESENT

GRAPH = "model.onnx"
KIND = "decoder"  # what genai calls a model of text alone that needs nothing special
DISABLED = "optimization.disable_specified_optimizers"
DENORMALS = "session.set_denormal_as_zero"


def write(subject: Subject, root: Path, seed: int) -> None:
    """Write the package.

    Raises:
        UsageError: onnxruntime-genai has no such models, or could not run its graph.
    """
    refuse_written_in_place(subject, "onnxruntime-genai")
    config = _config(subject)
    (part,) = subject.files
    subject.place_graph(part, root / GRAPH)
    (root / "genai_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    subject.place_tokenizer(root)
    write_check(subject, root, "genai", seed)


def _config(subject: Subject) -> dict[str, Any]:
    exported = subject.exported
    generation = exported.generation
    if exported.task != "text-generation" or generation is None or len(exported.parts) != 1:
        raise refuse(
            subject,
            f"no decoder of text: {exported.task}",
            "--format triton, or optimum for an encoder",
        )
    if not subject.steps:
        raise refuse(
            subject,
            "onnxruntime-genai feeds a cache that grows, and no places to write at",
            "export with --kv-cache concat",
        )
    logits = next(entry for entry in exported.last_part.outputs if entry.name == "logits")
    ends, length = generation.ends, generation.max_length
    model = {
        "type": KIND,
        "bos_token_id": _first(generation.bos_token_id),
        "eos_token_id": list(ends) if len(ends) != 1 else ends[0],
        "pad_token_id": generation.filling,
        "context_length": length,
        "vocab_size": logits.shape[-1],
        "decoder": _decoder(subject),
    }
    search = {"do_sample": False, "max_length": length, "past_present_share_buffer": False}
    return {"model": {k: v for k, v in model.items() if v is not None}, "search": search}


def _decoder(subject: Subject) -> dict[str, Any]:
    """Return the graph, and what it takes and gives."""
    ((name, part),) = subject.exported.parts.items()
    pasts = [entry for entry in part.inputs if entry.name.startswith(PAST)]
    taken = sorted({entry.name for entry in part.inputs} - {entry.name for entry in pasts})
    _, heads, _, size = pasts[0].shape
    config = subject.config or {}
    return {
        "session_options": _session_options(subject, name),
        "filename": GRAPH,
        "head_size": size,
        "hidden_size": config.get("hidden_size", size),
        "num_attention_heads": config.get("num_attention_heads", heads),
        "num_hidden_layers": len({entry.name.split(".")[1] for entry in pasts}),
        "num_key_value_heads": heads,
        "inputs": {
            **{entry: entry for entry in taken},
            "past_key_names": f"{PAST}%d.key",
            "past_value_names": f"{PAST}%d.value",
        },
        "outputs": {
            "logits": "logits",
            "present_key_names": f"{PRESENT}%d.key",
            "present_value_names": f"{PRESENT}%d.value",
        },
    }


def _session_options(subject: Subject, part: str) -> dict[str, Any]:
    """Return what the graph asks of ONNX Runtime, as genai's configuration says it."""
    settings, told = subject.settings(part), dict[str, Any]()
    if settings.disabled_optimizers:
        told[DISABLED] = ";".join(settings.disabled_optimizers)
    if settings.denormals == "flush":
        told[DENORMALS] = "1"
    return {"provider_options": [], **told}


def _first(ids: object) -> object:
    return ids[0] if isinstance(ids, tuple) and ids else ids
