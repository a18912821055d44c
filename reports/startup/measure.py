"""What a text command costs before and beside its answer: two checkouts, run in turns.

    python -m reports.startup.prepare WORK before CHECKOUT_OF_THEN
    python -m reports.startup.prepare WORK after .
    python -m reports.startup.measure WORK CHECKOUT_OF_THEN [--rounds 7]

Every run is a process of its own. Wall seconds are those of the process from its start to its end,
processor seconds and the highest resident memory those the system counts for it (wait4). The two
checkouts take turns, and who is first changes. Writes data.json and report.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

from reports.common import keep_raw, publish, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ONE = ("--max-new-tokens", "1")
COMMANDS = {
    "translate zh-en": ("zh-en", "translate", "我今天很开心"),
    "generate gpt2-tiny": ("gpt2-tiny", "generate", "The cat", *ONE),
    "generate gpt2-tiny, sampled": ("gpt2-tiny", "generate", "The cat", *ONE, "--temperature", "1"),
    "generate llama-tiny": ("llama-tiny", "generate", "The cat", *ONE),
    "generate llama-tiny, 2 beams": ("llama-tiny", "generate", "The cat", *ONE, "--num-beams", "2"),
    "generate SmolLM2-135M": ("smollm2", "generate", "The capital of France is", *ONE),
    "embed MiniLM": ("minilm", "embed", "The cat sat."),
    "classify bert-tiny": ("bert-tiny-classes", "classify", "The cat sat."),
    "fill-mask bert-tiny": ("bert-tiny", "fill-mask", "The [MASK] sat."),
}
FLOOR = "import click, numpy, onnxruntime, tokenizers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("before", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    sides = {"before": given.before.resolve(), "after": ROOT}
    runs: list[dict] = []
    for number in range(given.rounds):
        runs.append({"command": "floor", "side": "after", **ran(["-c", FLOOR], ROOT)})
        for name, (model, command, *words) in COMMANDS.items():
            for side in sorted(sides, reverse=number % 2 == 1):
                folder = given.work.resolve() / side / model
                arguments = ["-P", "-m", "pipeline", command, str(folder), *words, "--json"]
                runs.append({"command": name, "side": side, **ran(arguments, sides[side])})
                print(runs[-1], flush=True)
    keep_raw(HERE, runs)
    data = {"machine": machine(), "rounds": given.rounds, "weights_mb": weights(given.work),
            "summary": summary(runs)}  # fmt: skip
    publish(HERE, data, page(data))


def ran(arguments: list[str], checkout: Path) -> dict[str, float]:
    """Return the cost of one process; fails where the process does."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    nothing = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in (0, 1, 2)]
    started = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, [sys.executable, *arguments], environment, file_actions=nothing
    )
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}")
    cpu = used.ru_utime + used.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": used.ru_maxrss * 1024 / 1e6}


def summary(runs: list[dict]) -> list[dict]:
    """Return the smallest and the median of every figure, by command and side."""
    rows = []
    for command in ("floor", *COMMANDS):
        for side in ("before", "after"):
            chosen = [run for run in runs if (run["command"], run["side"]) == (command, side)]
            if chosen:
                row: dict = {"command": command, "side": side, "runs": len(chosen)}
                for what in ("wall_s", "cpu_s", "peak_mb"):
                    values = [run[what] for run in chosen]
                    row[what] = [round(min(values), 3), round(statistics.median(values), 3)]
                rows.append(row)
    return rows


def weights(work: Path) -> dict[str, float]:
    """Return the megabytes of weights in each folder."""
    found = {}
    for name in {model for model, *_ in COMMANDS.values()}:
        export = json.loads((work / "after" / name / "manifest" / "export.json").read_bytes())
        found[name] = round(export["facts"]["weights"]["bytes"] / 1e6, 1)
    return dict(sorted(found.items()))


def machine() -> str:
    """Return the processor, its cores and the versions that matter."""
    import importlib.metadata as known

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
    names = ("onnxruntime", "tokenizers", "transformers", "torch")
    versions = ", ".join(f"{name} {known.version(name)}" for name in names)
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def page(data: dict) -> str:
    """Return the report."""
    found = {(row["command"], row["side"]): row for row in data["summary"]}
    rows = []
    for command, (model, *_) in COMMANDS.items():
        for side in ("before", "after"):
            row = found[command, side]
            cells = [f"{low:.2f} / {mid:.2f}" for low, mid in (row["wall_s"], row["cpu_s"])]
            rows.append([command, side, *cells, f"{row['peak_mb'][1]:.0f}",
                         f"{data['weights_mb'][model]:.0f}"])  # fmt: skip
    floor = found["floor", "after"]
    wall, cpu = (f"{low:.2f} / {mid:.2f}" for low, mid in (floor["wall_s"], floor["cpu_s"]))
    lines = [
        "# How soon a text command starts",
        "",
        "One process for each run, from its start to its end, with an answer of one token where",
        "the command generates: smallest / median. Memory is the median of the highest resident",
        "set. Other work ran on the machine: the smallest seconds say most.",
        "",
        *table(["command", "", "wall s", "processor s", "peak MB", "weights MB"], rows),
        "",
        f"Importing click, numpy, onnxruntime and tokenizers alone: {wall} s, {cpu} s of "
        f"processor, {floor['peak_mb'][1]:.0f} MB.",
        "",
        (HERE / "notes.md").read_text(encoding="utf-8").strip(),
        "",
        f"{data['rounds']} rounds; the two versions take turns, and who is first changes.",
        f"Megabytes are 10^6 bytes. {data['machine']}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
