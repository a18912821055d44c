"""One contender of measure.py, in its own process: loads, then answers one line per order.

    python contender.py KIND FOLDER THREADS

Orders come on standard input as JSON, {"prompt": ids, "new": count}; an answer is one line,
{"first_s": ..., "seconds": ..., "tokens": ids}. An end of the input ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Contender = Callable[[list[int], int], Answer]


def transformers_eager(folder: str, threads: int) -> Contender:
    """Return transformers' own generate() with its cache, uncompiled."""
    import torch
    from transformers import AutoModelForCausalLM, StoppingCriteriaList

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def run(prompt: list[int], new: int) -> Answer:
        first: list[float] = []

        def note(ids: Any, scores: Any, **_: Any) -> Any:
            first.append(time.perf_counter())
            return torch.zeros(len(ids), dtype=torch.bool)

        ids = torch.tensor([prompt])
        start = time.perf_counter()
        with torch.inference_mode():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new,
                stopping_criteria=StoppingCriteriaList([note]),
            )  # fmt: skip
        end = time.perf_counter()
        tokens = made[0, len(prompt) :].tolist()
        return {"first_s": first[0] - start, "seconds": end - start, "tokens": tokens}

    return run


def genai(folder: str, threads: int) -> Contender:
    """Return onnxruntime-genai's generator over the model its own builder made."""
    import onnxruntime_genai as og

    config = Path(folder) / "genai_config.json"
    told = json.loads(config.read_text())
    told["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
    config.write_text(json.dumps(told, indent=1))
    model = og.Model(folder)

    def run(prompt: list[int], new: int) -> Answer:
        settings = og.GeneratorParams(model)
        settings.set_search_options(max_length=len(prompt) + new, do_sample=False)
        tokens: list[int] = []
        start = time.perf_counter()
        generator = og.Generator(model, settings)
        generator.append_tokens(prompt)
        first = start
        while not generator.is_done():
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
            first = first if len(tokens) > 1 else time.perf_counter()
        end = time.perf_counter()
        return {"first_s": first - start, "seconds": end - start, "tokens": tokens}

    return run


def ours(folder: str, threads: int, *, huge_pages: bool = False) -> Contender:
    """Return what `pipeline generate` runs on an artifact folder."""
    from pipeline.tasks.options import GenerateOptions
    from pipeline.tasks.source import TextSource
    from pipeline.tasks.text import generate_rows

    told = GenerateOptions(Path(folder), ("-",), threads=threads)
    source = TextSource(told, ("text-generation",), huge_pages=huge_pages)
    tokenizer = source.tokenizer()

    def run(prompt: list[int], new: int) -> Answer:
        options = GenerateOptions(Path(folder), ("-",), threads=threads, max_new_tokens=new)
        made = generate_rows(source, options, tokenizer, [prompt])
        return {"first_s": made.first_token_s, "seconds": made.seconds,
                "tokens": list(made.tokens[0]), "variant": made.variant}  # fmt: skip

    return run


KINDS: dict[str, Callable[[str, int], Contender]] = {
    "transformers": transformers_eager,
    "genai": genai,
    "ours": ours,
    "ours in huge pages": partial(ours, huge_pages=True),
}


def main() -> None:
    """Load the contender and answer until the input ends."""
    kind, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries may print
    os.dup2(2, 1)
    run = KINDS[kind](folder, threads)
    answers.write("{}\n")
    for line in sys.stdin:
        order = json.loads(line)
        answers.write(json.dumps(run(order["prompt"], order["new"])) + "\n")


if __name__ == "__main__":
    main()
