"""Answers of text tasks beside the libraries that the checkpoints were made for.

    pip install --target PEERS --no-deps sentence-transformers peft accelerate scikit-learn scipy \\
        joblib threadpoolctl cloudpickle narwhals
    PYTHONPATH=.:PEERS python -m reports.tasks.measure WORK

Small random checkpoints are written into WORK, which differ in pooling, head, labels and adapter.
Each is exported, optimized for the CPU, and asked the same texts as its own library. Writes
data.json and report.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import pipeline
from reports.common import publish, table
from tests.pipeline.stages.export import sentence_folders as sentences
from tests.pipeline.tokenizer.kinds import FAST

HERE = Path(__file__).resolve().parent
TEXTS = ["The cat sat on the mat, and it sat there for a long time.", "a town", "Once upon a time"]
POOLINGS = {
    "cls": (("cls",), ()),
    "mean": (("mean",), ("Normalize",)),
    "max": (("max",), ("Dense", "Normalize")),
    "root of length": (("mean_sqrt_len",), ()),
    "weighted mean": (("weightedmean",), ("Dense",)),
    "last token": (("lasttoken",), ("Normalize",)),
    "cls and mean": (("cls", "mean"), ()),
}
HEADS: dict[str, dict[str, Any]] = {
    "one score": {"num_labels": 1},
    "a number": {"num_labels": 1, "problem_type": "regression"},
    "one of three": {"num_labels": 3, "id2label": {0: "good", 1: "bad", 2: "ugly"}},
    "each of four": {"num_labels": 4, "problem_type": "multi_label_classification"},
    "a pair": {"num_labels": 3},
}
ADAPTERS: dict[str, dict[str, Any]] = {
    "queries and values": {"target_modules": ["q_proj", "v_proj"]},
    "every matrix, root of rank": {"target_modules": "all-linear", "use_rslora": True},
    "ranks and alphas by name": {
        "target_modules": ["q_proj", "down_proj"],
        "alpha_pattern": {"down_proj": 32},
        "rank_pattern": {"q_proj": 2},
    },
    "embeddings": {"target_modules": ["embed_tokens", "k_proj"]},
    "head saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    work = parser.parse_args().work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    rows: list[dict[str, Any]] = []
    for name, (modes, steps) in POOLINGS.items():
        rows.append(_row("embed", name, "sentence-transformers", embedding(work, modes, steps)))
    for name, head in HEADS.items():
        rows.append(_row("classify", name, "transformers", classes(work, name, head)))
    rows.append(_row("rerank", "one score", "sentence-transformers", ranking(work)))
    for name, how in ADAPTERS.items():
        rows.append(_row("export --adapter", name, "peft", adapted(work, name, how)))
    publish(HERE, {"versions": _versions(), "rows": rows}, _page(rows))


def embedding(work: Path, modes: tuple[str, ...], steps: tuple[str, ...]) -> float:
    from sentence_transformers import SentenceTransformer

    folder = sentences.sentence_encoder(
        work / "_".join(("encoder", *modes)), *modes, steps=steps, prompts={"query": "a town "},
        default_prompt_name=None,
    )  # fmt: skip
    theirs = SentenceTransformer(str(folder), device="cpu")
    with _exported(folder) as model:
        return max(
            _apart(model.embed(TEXTS), theirs.encode(TEXTS)),
            _apart(
                model.embed(TEXTS, prompt_name="query"), theirs.encode(TEXTS, prompt_name="query")
            ),
        )


def classes(work: Path, name: str, head: dict[str, Any]) -> float:
    folder = _classifier(work / name.replace(" ", "-"), head)
    theirs = transformers.pipeline("text-classification", str(folder), top_k=None)
    pair = "a cat" if name == "a pair" else None
    asked = [{"text": text, "text_pair": pair} if pair else text for text in TEXTS]
    expected = [np.ravel(np.array(theirs(one), dtype=object)).tolist() for one in asked]
    with _exported(folder) as model:
        made = model.classify([(text, pair) if pair else text for text in TEXTS])
    worst = 0.0
    for row, wanted in zip(made, expected, strict=True):
        found = {one["label"]: one["score"] for one in wanted}
        assert found.keys() == {one.label for one in row.classes}
        for one in row.classes:
            mine = one.logit if one.probability is None else one.probability
            worst = max(worst, abs(mine - found[one.label]))
    return worst


def ranking(work: Path) -> float:
    from sentence_transformers import CrossEncoder

    folder = _classifier(work / "reranker", {"num_labels": 1})
    expected = CrossEncoder(str(folder), device="cpu").predict([("a cat", text) for text in TEXTS])
    with _exported(folder) as model:
        made = {row.index: row.score for row in model.rerank("a cat", TEXTS)}
    return max(abs(made[place] - float(wanted)) for place, wanted in enumerate(expected))


def adapted(work: Path, name: str, how: dict[str, Any]) -> float:
    from peft import LoraConfig, PeftModel, get_peft_model

    from tests.pipeline.stages.export.adapters import base

    folder, beside = work / "base", work / f"adapter-{name.replace(' ', '-')}"
    if not folder.is_dir():
        base(folder)
    load: Callable[[], Any] = lambda: transformers.AutoModelForCausalLM.from_pretrained(folder)  # noqa: E731
    torch.manual_seed(0)
    trained = get_peft_model(load(), LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **how))
    for weight in trained.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn_like(weight)
    trained.save_pretrained(beside)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        wanted = PeftModel.from_pretrained(load(), beside).eval()(input_ids=ids).logits.numpy()
    with _exported(folder, adapter=beside, kv_cache="none") as model:
        given = {"input_ids": ids.numpy(), "attention_mask": np.ones((1, 4), np.int64),
                 "position_ids": np.arange(4)[None]}  # fmt: skip
        names = [tensor.name for tensor in model.record.parts["model"].inputs]
        (logits,) = model.run({key: given[key] for key in names}).values()
    return _apart(logits, wanted)


def _classifier(folder: Path, head: dict[str, Any]) -> Path:
    tokenizer = FAST["wordpiece"]()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=48, **head,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _exported(folder: Path, **how: Any) -> pipeline.LoadedModel:
    out = folder.with_name(f"{folder.name}-out" + (f"-{how['adapter'].name}" if how else ""))
    pipeline.export_model(pipeline.ExportOptions(str(folder), out, **how))
    pipeline.optimize_model(pipeline.OptimizeOptions(out, target="ort-cpu"))
    return pipeline.load(out)


def _apart(mine: np.ndarray, theirs: np.ndarray) -> float:
    assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
    return float(np.abs(mine - theirs).max())


def _row(command: str, what: str, library: str, error: float) -> dict[str, Any]:
    print(command, what, library, error, flush=True)
    return {"command": command, "checkpoint": what, "library": library, "largest_error": error}


def _versions() -> dict[str, str]:
    import importlib.metadata as known

    names = ("sentence-transformers", "transformers", "peft", "torch", "onnxruntime")
    return {name: known.version(name) for name in names}


def _page(rows: list[dict[str, Any]]) -> str:
    cells = [
        [row["command"], row["checkpoint"], row["library"], f"{row['largest_error']:.1e}"]
        for row in rows
    ]
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    lines = [
        "# Answers beside the libraries that the checkpoints were made for",
        "",
        "The largest absolute difference of a vector's number, a probability, a score or a logit, "
        "over three texts of different lengths, one of them cut at the model's longest. Graphs "
        "optimized for ort-cpu, float32; small random checkpoints.",
        "",
        *table(["command", "checkpoint", "library", "largest difference"], cells),
        "",
        f"{versions}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(_versions()))
    main()
