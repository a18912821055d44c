"""The contenders of measure.py: one checkpoint in float32, what we and genai make of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GENAI = {"onnxruntime-genai": [], "onnxruntime-genai, last logits": ["prune_lm_head=true"]}
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def prepare(
    work: Path, genai_python: str | None, capacity: int
) -> dict[str, tuple[str, str, Path]]:
    """Return name -> (python, kind, folder), making what is not there yet."""
    checkpoint = work / "checkpoint"
    if not (checkpoint / "config.json").exists():
        dequantize(checkpoint)
    fixed = ["--kv-cache", "static", "--capacity", str(capacity)]
    written, grown = export(work / f"fixed-{capacity}", checkpoint, fixed), work / "growing"
    found = {
        "ours, fixed cache": (sys.executable, "ours", written),
        "ours, fixed cache, --huge-pages": (sys.executable, "ours in huge pages", written),
        "ours, growing cache": (sys.executable, "ours", export(grown, checkpoint, [])),
        "transformers eager": (sys.executable, "transformers", checkpoint),
    }  # fmt: skip
    if genai_python is not None:
        for name, extra in GENAI.items():
            found[name] = (genai_python, "genai", build_genai(work, genai_python, extra))
    return found


def export(folder: Path, checkpoint: Path, options: list[str]) -> Path:
    """Return the artifact folder of our export, optimized."""
    told = ["export", str(checkpoint), "--logits", "last", *options]
    for stage in (told, ["optimize", str(folder)]):
        subprocess.run([sys.executable, "-m", "pipeline", *stage, "-o", str(folder)], check=True,
                       env={**os.environ, **OFFLINE}, cwd=ROOT)  # fmt: skip
    return folder


def dequantize(folder: Path) -> None:
    """Write the GGUF checkpoint's weights as float32 safetensors, with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tests.real_checkpoints import smollm2

    file = smollm2()
    told = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(**told, dtype=torch.float32)
    del loaded.config.quantization_config  # the weights are no longer
    plain = type(loaded)(loaded.config)
    plain.load_state_dict(loaded.state_dict())
    plain.generation_config = loaded.generation_config
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**told).save_pretrained(folder)


def build_genai(work: Path, python: str, extra: list[str]) -> Path:
    """Return the folder genai's own model builder made of the checkpoint in float32."""
    folder = work / ("genai-last" if extra else "genai")
    if not (folder / "genai_config.json").exists():
        where = "import onnxruntime_genai as g; print(g.__path__[0])"
        package = subprocess.check_output([python, "-c", where], text=True).strip()
        subprocess.run(
            [sys.executable, "builder.py", "-m", "local", "-i", str(work / "checkpoint"), "-o",
             str(folder), "-p", "fp32", "-e", "cpu", "-c", str(work / "cache"),
             *(["--extra_options", *extra] if extra else [])],
            check=True, cwd=Path(package) / "models", env={**os.environ, **OFFLINE},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return folder
