"""What a text command imports before its first word: neither torch nor transformers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.tasks.folders import folder_for

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"torch", "transformers", "onnx", "onnx_ir", "onnxscript", "safetensors", "matplotlib",
         "huggingface_hub", "tensorrt", "tensorrt_rtx", "sympy", "scipy"}  # fmt: skip
SAMPLED = ["--temperature", "0.8", "--top-k", "20", "--top-p", "0.9", "--seed", "3"]
COMMANDS = {
    "generate": ("generate", ["generate", "The cat", "--repetition-penalty", "1.1"]),
    "sampled": ("generate", ["generate", "The cat", "a", *SAMPLED]),
    "stopped": ("generate", ["generate", "The cat", "--stop", "at", "--stop", "x"]),
    "chat": ("generate", ["generate", "--chat", "Why?"]),
    "translate": ("translate", ["translate", "The cat", "a"]),
    "zh-en": ("zh-en", ["translate", "我今天很开心"]),
    "embed": ("embed", ["embed", "The cat", "a"]),
    "fill-mask": ("fill-mask", ["fill-mask", "The [MASK] sat"]),
    "classify": ("classify", ["classify", "The cat"]),
}


def run(folder, words):
    """Run a command in a process of its own; return its output, its log and what it imported."""
    script = (
        "import sys\nfrom pipeline.cli.app import run\n"
        f"code = run({[words[0], str(folder), *words[1:]]!r})\n"
        "print(' '.join({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_neither_torch_nor_transformers(name, tmp_path):
    kind, words = COMMANDS[name]
    out, _, loaded = run(folder_for(kind, tmp_path), [*words, "--json"])
    assert json.loads(out)["variant"] == "export"
    assert loaded >= {"onnxruntime", "tokenizers"}
    assert loaded & HEAVY == set()
    assert ("jinja2" in loaded) == (name == "chat")


@pytest.mark.parametrize(
    ("kind", "words", "why"),
    [("slow", ["generate", "The cat"], "transformers reads the tokenizer: CodeGenTokenizer"),
     ("generate", ["generate", "a", "--num-beams", "2"],
      "transformers chooses the tokens, for the sake of num_beams")],
    ids=["tokenizer", "beams"],
)  # fmt: skip
def test_what_needs_transformers_says_so(kind, words, why, tmp_path):
    folder = folder_for(kind, tmp_path)
    _, log, loaded = run(folder, [*words, "--max-new-tokens", "4", "-v"])
    assert "transformers" in loaded
    assert why in log
    _, log, _ = run(folder, [*words, "--max-new-tokens", "4"])
    assert why not in log
