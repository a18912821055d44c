"""Decode speed on CPU: our optimized SmolLM2-135M, transformers eager, onnxruntime-genai.

    python reports/decode/measure.py WORK --genai-python VENV/bin/python [--rounds 12]

WORK keeps the checkpoint (dequantized once to float32, so that all have the same weights), our
artifact and genai's model; what is there is reused. Contenders take turns, the order rotated every
round; a turn is a new process that loads, generates once to warm up and then REPEATS times, each
after a quiet moment. Nothing else is loaded meanwhile: of two processes that hold the weights at
once the one that loaded first was up to 1.5 times slower, whichever it was. Ratios are theirs /
ours of the medians of a round. Writes data.json and report.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TEXT = (
    "The lighthouse stood at the end of the long stone pier, and every evening the old keeper "
    "climbed its stairs with a lamp in his hand. One night in the middle of the winter, when"
)
PROMPT, QUIET_S, REPEATS = 32, 0.3, 3
OURS = {"growing cache": [], "fixed cache": ["--kv-cache", "static", "--capacity", "128"]}
GENAI = {"onnxruntime-genai": [], "onnxruntime-genai, last logits": ["prune_lm_head=true"]}
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


class Process:
    """A contender's process, asked over its pipes; its private memory is watched meanwhile."""

    def __init__(self, python: str, kind: str, folder: Path, threads: int) -> None:
        command = [python, str(HERE / "contender.py"), kind, str(folder), str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, **OFFLINE}, cwd=ROOT,
        )  # fmt: skip
        self.peak_kb = 0
        self._watched(self._answer)

    def ask(self, order: dict[str, Any], *, watch: bool = False) -> dict[str, Any]:
        """Return the answer to an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._watched(self._answer) if watch else self._answer()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(300)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"this contender ended: {self.process.args}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _watched(self, call: Any) -> Any:
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        try:
            return call()
        finally:
            done.set()
            watcher.join()

    def _watch(self, done: threading.Event) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        while not done.wait(0.02):
            for line in status.read_text().splitlines():
                if line.startswith("RssAnon"):
                    self.peak_kb = max(self.peak_kb, int(line.split()[1]))


def prepare(work: Path, genai_python: str | None) -> dict[str, tuple[str, str, Path]]:
    """Return name -> (python, kind, folder), making what is not there yet."""
    checkpoint = work / "checkpoint"
    if not (checkpoint / "config.json").exists():
        dequantize(checkpoint)
    call = [sys.executable, "-m", "pipeline"]
    environment = {**os.environ, **OFFLINE}
    found = {}
    for name, options in OURS.items():
        folder = work / name.replace(" ", "-")
        export = ["export", str(checkpoint), "--logits", "last", *options]
        for stage in (export, ["optimize", str(folder)]):
            subprocess.run([*call, *stage, "-o", str(folder)], check=True, env=environment,
                           cwd=ROOT)  # fmt: skip
        found[f"ours, {name}"] = (sys.executable, "ours", folder)
    found["transformers eager"] = (sys.executable, "transformers", checkpoint)
    if genai_python is not None:
        for name, extra in GENAI.items():
            found[name] = (genai_python, "genai", build_genai(work, genai_python, extra))
    return found


def dequantize(folder: Path) -> None:
    """Write the GGUF checkpoint's weights as float32 safetensors, with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sys.path.insert(0, str(ROOT / "tests"))
    from real_checkpoints import smollm2

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


def measure(
    asked: dict[str, tuple[str, str, Path]], threads: int, prompt: list[int], new: int, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Return one turn per round by contender: its medians, its tokens and its peak memory."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in asked}
    order = list(asked)
    for number in range(rounds):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            turn = one_turn(Process(*asked[name], threads), name, prompt, new)
            rows[name].append(turn)
            print(number + 1, name, round(1 / turn["step_s"], 2), "tokens/s", flush=True)
    return rows


def one_turn(process: Process, name: str, prompt: list[int], new: int) -> dict[str, Any]:
    """Return what a loaded contender took, and end it."""
    told = {"prompt": prompt, "new": new}
    answers = [process.ask(told, watch=True)]
    for _ in range(REPEATS):
        time.sleep(QUIET_S)
        answers.append(process.ask(told))
    process.close()
    assert all(len(a["tokens"]) == new for a in answers), f"{name}: an answer ended early"
    steps = [(a["seconds"] - a["first_s"]) / (new - 1) for a in answers[1:]]
    return {
        "step_s": statistics.median(steps),
        "first_s": statistics.median(a["first_s"] for a in answers[1:]),
        "tokens": answers[0]["tokens"],
        "same": all(a["tokens"] == answers[0]["tokens"] for a in answers),
        "peak_kb": process.peak_kb,
    }


def interval(ratios: list[float]) -> list[float]:
    """Return the median of ratios and its 99 % bootstrap interval."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(4000))
    return [round(x, 3) for x in (statistics.median(ratios), medians[20], medians[-21])]


def summarise(rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one row of figures per contender; a ratio above 1: the first is faster."""
    steps = {name: [turn["step_s"] for turn in turns] for name, turns in rows.items()}
    first = {name: [turn["first_s"] for turn in turns] for name, turns in rows.items()}
    mine = next(iter(rows))
    found = []
    for name, turns in rows.items():
        found.append({
            "name": name,
            "tokens_per_s": round(1 / statistics.median(steps[name]), 2),
            "ms_per_token": round(1e3 * statistics.median(steps[name]), 2),
            "first_token_ms": round(1e3 * statistics.median(first[name]), 1),
            "peak_private_mb": round(max(turn["peak_kb"] for turn in turns) / 1e3, 1),
            "speed_ratio": interval([b / a for a, b in zip(steps[mine], steps[name], strict=True)]),
            "first_ratio": interval([b / a for a, b in zip(first[mine], first[name], strict=True)]),
            "same_tokens": all(
                turn["same"] and turn["tokens"] == rows[mine][0]["tokens"] for turn in turns
            ),
            "samples_ms_per_token": [round(1e3 * x, 3) for x in steps[name]],
            "samples_first_token_ms": [round(1e3 * x, 2) for x in first[name]],
        })  # fmt: skip
    return found


def copy_limit(checkpoint: Path, threads: int) -> float:
    """Return tokens per second if reading every weight once at copy speed were all there is."""
    from pipeline.perf.probes import measure_peaks

    size = (checkpoint / "model.safetensors").stat().st_size
    return measure_peaks("fp32", "cpu", threads, 2 * size).bytes / size


def render(data: dict[str, Any]) -> str:
    """Return the report as markdown."""
    lines = [
        "# Decode speed of SmolLM2-135M on CPU, float32", "",
        f"{data['prompt']} prompt tokens, {data['new']} new ones, greedy, batch 1, "
        f"{data['threads']} threads, {data['rounds']} rounds in turns on one machine "
        f"({data['machine']}), each turn a new process that is alone on it; medians. The ratios "
        "say how many times faster the first row is, with 99 % bootstrap intervals over rounds. "
        "Memory is the peak of private memory (RssAnon) while loading and generating once; "
        "weights mapped from a file are not in it, Python's libraries are (torch and "
        "transformers in all but onnxruntime-genai). A prompt costs ours (exported with `--logits "
        "last`), transformers and the last row one row of logits, genai by default all of them. "
        "Reading every weight once at this "
        f"machine's copy speed would allow {data['copy_limit_tokens_per_s']} tokens/s.", "",
        "| | tokens/s | ms per token | first token, ms | peak private MB | first row, tokens/s |"
        " first row, first token | same tokens |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in data["rows"]:
        ratios = [f"{r[0]:.3f} × [{r[1]:.3f}, {r[2]:.3f}]" for r in
                  (row["speed_ratio"], row["first_ratio"])]  # fmt: skip
        if row is data["rows"][0]:
            ratios = ["", ""]
        cells = [row["name"], row["tokens_per_s"], row["ms_per_token"], row["first_token_ms"],
                 row["peak_private_mb"], *ratios,
                 "yes" if row["same_tokens"] else "no"]  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    versions = ", ".join(f"{name} {value}" for name, value in data["versions"].items())
    lines += ["", f"{versions}; load before: {data['load_before']}."]
    return "\n".join(lines) + "\n"


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--genai-python", help="python of an environment with onnxruntime-genai")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def main() -> None:
    """Prepare, measure, write."""
    from transformers import AutoTokenizer

    told = options()
    load = round(os.getloadavg()[0], 2)
    asked = prepare(told.work, told.genai_python)
    tokenizer = AutoTokenizer.from_pretrained(told.work / "checkpoint")
    prompt = list(tokenizer(TEXT)["input_ids"])[:PROMPT]
    assert len(prompt) == PROMPT
    rows = measure(asked, told.threads, prompt, told.new, told.rounds)
    versions = {name: version(name) for name in ("onnxruntime", "transformers", "torch")}
    if told.genai_python is not None:
        code = "from importlib.metadata import version as v; print(v('onnxruntime-genai'))"
        said = subprocess.check_output([told.genai_python, "-c", code], text=True)
        versions["onnxruntime-genai"] = said.strip()
    data = {
        "prompt": PROMPT, "new": told.new, "threads": told.threads, "rounds": told.rounds,
        "machine": platform.machine(), "load_before": load, "versions": versions,
        "copy_limit_tokens_per_s": round(copy_limit(told.work / "checkpoint", told.threads), 1),
        "rows": summarise(rows),
    }  # fmt: skip
    (told.out / "data.json").write_text(json.dumps(data, indent=1) + "\n")
    (told.out / "report.md").write_text(render(data))
    print(render(data))


if __name__ == "__main__":
    main()
