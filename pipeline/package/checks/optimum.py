#!/usr/bin/env python3
"""Ask this package through Optimum, and through sentence-transformers where it is one of theirs.

    python check/check.py

Exit codes: 0 every answer is right, 1 one is not, 3 Optimum is not installed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # in a package: the toolkit need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.package.checks import common


def check(asked: common.Asked) -> common.Findings:
    """Return what was asked, and whether the answer was right."""
    try:
        runtime = importlib.import_module("optimum.onnxruntime")
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise common.NotCheckedError(f"{error.name or 'optimum'} is not installed here") from error
    tokenizer = None
    found: common.Findings = []
    if "texts" in asked:
        tokenizer = transformers.AutoTokenizer.from_pretrained(asked["package"])
        found += common.ids_found(asked, lambda text: list(tokenizer(text)["input_ids"]))
    model = getattr(runtime, asked["class"]).from_pretrained(asked["package"])
    if "labels" in asked:
        told = [model.config.id2label[n] for n in range(len(model.config.id2label))]
        found.append(common.finding("labels", told == asked["labels"], f"{told[:4]}"))
    if "tokens" in asked:
        found += common.ends_found(asked, model.generation_config.eos_token_id)
        found += common.tokens_found(asked, lambda ids, new: _continued(torch, model, ids, new))
    if "outputs" in asked:
        found += _outputs(torch, model, asked)
    if "vectors" in asked:
        found += _vectors(asked)
    return found


def _continued(torch: Any, model: Any, ids: list[int], new: int) -> list[int]:
    fed = torch.tensor([ids])
    made = model.generate(
        fed, attention_mask=torch.ones_like(fed), max_new_tokens=new, do_sample=False,
        num_beams=1, repetition_penalty=1.0,
    )  # fmt: skip
    return list(made[0, len(ids) :].tolist())


def _outputs(torch: Any, model: Any, asked: common.Asked) -> common.Findings:
    found: common.Findings = []
    for number, inputs, outputs, limits in common.cases(asked):
        made = model(**{name: torch.tensor(array) for name, array in inputs.items()})
        told = [name for name in outputs if made.get(name) is not None]
        if not told:
            names = ", ".join(outputs)
            found.append(common.finding(f"case {number}", False, f"none of {names} came back"))
        for name in told:
            what = f"case {number}, {name}"
            got = np.asarray(made[name].detach())
            found.append(common.within(what, got, outputs[name], limits[name]))
    return found


def _vectors(asked: common.Asked) -> common.Findings:
    """Ask sentence-transformers for vectors of whole texts."""
    try:
        library = importlib.import_module("sentence_transformers")
    except ImportError:
        return [common.finding("vectors", None, "not checked: no sentence-transformers here")]
    model = library.SentenceTransformer(str(asked["package"]), backend="onnx", device="cpu")
    got = model.encode([text for text, _ in asked["texts"]])
    wanted = np.array(asked["vectors"])
    apart = float((np.linalg.norm(got - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)).max())
    says = f"largest distance {apart:.2g} of their length"
    return [common.finding("vectors", apart < asked["vector_limit"], says)]


if __name__ == "__main__":
    common.main(check, __file__)
