#!/usr/bin/env python3
"""Ask this package through onnxruntime-genai.

    python check/check.py

Exit codes: 0 every answer is right, 1 one is not, 3 onnxruntime-genai is not installed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # in a package: the toolkit need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.package.checks import common


def check(asked: common.Asked) -> common.Findings:
    """Return what was asked, and whether the answer was right."""
    try:
        library = importlib.import_module("onnxruntime_genai")
    except ImportError as error:
        raise common.NotCheckedError("onnxruntime_genai is not installed here") from error
    model = library.Model(str(asked["package"]))
    found: common.Findings = []
    if "texts" in asked:
        tokenizer = library.Tokenizer(model)
        found += common.ids_found(asked, lambda text: [int(i) for i in tokenizer.encode(text)])
    told = json.loads((asked["package"] / "genai_config.json").read_text(encoding="utf-8"))
    found += common.ends_found(asked, told["model"]["eos_token_id"])
    return found + common.tokens_found(asked, lambda ids, new: _continued(library, model, ids, new))


def _continued(library: Any, model: Any, ids: list[int], new: int) -> list[int]:
    options = library.GeneratorParams(model)
    options.set_search_options(max_length=len(ids) + new, do_sample=False, repetition_penalty=1.0)
    generator = library.Generator(model, options)
    generator.append_tokens([ids])
    while not generator.is_done():
        generator.generate_next_token()
    return [int(i) for i in generator.get_sequence(0)[len(ids) :]]


if __name__ == "__main__":
    common.main(check, __file__)
