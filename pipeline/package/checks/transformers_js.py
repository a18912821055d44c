#!/usr/bin/env python3
"""Ask this package through transformers.js.

    python check/check.py [MODULES]

MODULES is the folder in whose node_modules @huggingface/transformers lies; the working directory
unless given. Exit codes: 0 every answer is right, 1 one is not, 3 node or the library is missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # in a package: the toolkit need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.package.checks import common

MISSING = 3
LIBRARY = "@huggingface/transformers"


def check(asked: common.Asked) -> common.Findings:
    """Return what was asked, and whether the answer was right."""
    node = shutil.which("node")
    if node is None:
        raise common.NotCheckedError("node is not installed here")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        write_questions(asked, work)
        modules = sys.argv[1] if len(sys.argv) > 1 else "."
        ended = subprocess.run(
            [node, str(asked["home"] / "ask.mjs"), str(work), modules],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode == MISSING:
            where = f"in {modules}/node_modules" if modules != "." else "here"
            raise common.NotCheckedError(f"{LIBRARY} is not installed {where}")
        if ended.returncode:
            raise RuntimeError(thrown(ended.stderr) or f"node ended with {ended.returncode}")
        return judge(asked, json.loads((work / "answers.json").read_text("utf-8")), work)


def thrown(said: str) -> str:
    """Return the error that ended node, of all that it said; empty if there is none.

    The line of the source that threw it comes before it, and a library's own words.
    """
    return next((line for line in said.splitlines() if re.match(r"\w*Error\b.*?: ", line)), "")


def write_questions(asked: common.Asked, work: Path) -> None:
    """Write what node reads: questions.json, and the bytes of each array that goes in."""
    fed = []
    for number, inputs, _outputs, _limits in common.cases({"outputs": (), **asked}):
        told = {}
        for place, (name, array) in enumerate(inputs.items()):
            file = f"question-{number}.{place}"
            (work / file).write_bytes(np.ascontiguousarray(array).tobytes())
            told[name] = {"type": str(array.dtype), "dims": list(array.shape), "file": file}
        fed.append(told)
    questions = {
        "package": str(asked["package"]),
        "class": asked["class"],
        "texts": [text for text, _ids in asked.get("texts", ())],
        "prompts": [
            {"prompt": case["prompt"], "more": asked["new_tokens"]}
            for case in asked.get("tokens", ())
        ],
        "cases": fed,
    }
    (work / "questions.json").write_text(json.dumps(questions), encoding="utf-8")


def judge(asked: common.Asked, told: dict[str, Any], work: Path) -> common.Findings:
    """Return whether each answer of node is the right one."""
    found: common.Findings = []
    ids = {text: got for (text, _), got in zip(asked.get("texts", ()), told["ids"], strict=True)}
    found += common.ids_found(asked, lambda text: list(ids[text]))
    if "labels" in asked:
        labels = [(told["labels"] or {}).get(str(n)) for n in range(len(asked["labels"]))]
        found.append(common.finding("labels", labels == asked["labels"], f"{labels[:4]}"))
    if "tokens" in asked:
        found += common.ends_found(asked, told["ends"])
        made = iter(told["sequences"])
        found += common.tokens_found(asked, lambda _ids, _new: next(made))
    for number, _inputs, outputs, limits in common.cases({"outputs": (), **asked}):
        came = told["outputs"][number]
        names = [name for name in outputs if name in came]
        if not names:
            says = f"none of {', '.join(outputs)} came back"
            found.append(common.finding(f"case {number}", False, says))
        for name in names:
            got, what = _array(came[name], work), f"case {number}, {name}"
            found.append(common.within(what, got, outputs[name], limits[name]))
    return found


def _array(told: dict[str, Any], work: Path) -> np.ndarray:
    flat = np.frombuffer((work / told["file"]).read_bytes(), np.dtype(told["type"]))
    return flat.reshape(told["dims"])


if __name__ == "__main__":
    common.main(check, __file__)
