"""Decode speed on CPU: our optimized SmolLM2-135M, transformers eager, onnxruntime-genai.

    python -m reports.decode.measure WORK --genai-python VENV/bin/python [--sessions 10 --rounds 5]

WORK keeps the checkpoint (dequantized once to float32, so that all have the same weights), our
artifacts and genai's models; what is there is reused. In a session every contender is loaded in its
own process, in an order that is another one each time; then they answer in turns, one at a time,
each after a quiet moment. Turns are short because machines change speed: this one by 1.4 times,
for seconds at a time. Ratios are theirs / ours within a round, for ours in ordinary and in huge
pages; their intervals draw whole sessions.
Writes data.json and report.md; every sample is in raw.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reports.common import keep_raw, publish, table
from reports.decode.prepare import HERE, OFFLINE, ROOT, prepare

TEXT = (
    "The lighthouse stood at the end of the long stone pier, and every evening the old keeper "
    "climbed its stairs with a lamp in his hand. One night in the middle of the winter, when"
)
QUIET_S = 0.2
PROMPTS = {32: 128, 512: 640}  # tokens, and the capacity of a fixed cache for them


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


def measure(
    asked: dict[str, tuple[str, str, Path]], threads: int, order: dict[str, Any],
    sessions: int, rounds: int,
) -> dict[str, list[Session]]:  # fmt: skip
    """Return by contender what each session saw of it."""
    found: dict[str, list[Session]] = {name: [] for name in asked}
    names = list(asked)
    for number in range(sessions):
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name, session in one_session(asked, turned, threads, order, rounds).items():
            found[name].append(session)
            step = statistics.median(session.step_s)
            print(number + 1, name, round(1 / step, 2), "tokens/s", flush=True)
    return found


def one_session(
    asked: dict[str, tuple[str, str, Path]], names: list[str], threads: int,
    order: dict[str, Any], rounds: int,
) -> dict[str, Session]:  # fmt: skip
    """Return what contenders took that were loaded in this order and then took turns."""
    opened, found = {}, {}
    for name in names:
        opened[name] = Process(*asked[name], threads)
        first = opened[name].ask(order, watch=True)
        found[name] = Session(first["tokens"], opened[name].peak_kb)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            time.sleep(QUIET_S)
            answer = opened[name].ask(order)
            assert len(answer["tokens"]) == order["new"], f"{name}: an answer ended early"
            found[name].add(answer)
    for process in opened.values():
        process.close()
    return found


@dataclass
class Session:
    """What one contender took between its loading and its end."""

    tokens: list[int]
    peak_kb: int
    step_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    same: bool = True

    def add(self, answer: dict[str, Any]) -> None:
        """Note one answer."""
        steps = len(answer["tokens"]) - 1
        self.step_s.append((answer["seconds"] - answer["first_s"]) / steps)
        self.first_s.append(answer["first_s"])
        self.same = self.same and answer["tokens"] == self.tokens


def ratio(ours: list[list[float]], theirs: list[list[float]]) -> list[float]:
    """Return the median of theirs / ours by round and its 99 % interval over whole sessions."""
    by_session = [[b / a for a, b in zip(*pair, strict=True)]
                  for pair in zip(ours, theirs, strict=True)]  # fmt: skip
    draw = random.Random(0)
    medians = sorted(_middle(draw.choices(by_session, k=len(by_session))) for _ in range(4000))
    return [round(x, 3) for x in (_middle(by_session), medians[20], medians[-21])]


def _middle(groups: list[list[float]]) -> float:
    return statistics.median(value for group in groups for value in group)


def summarise(found: dict[str, list[Session]]) -> list[dict[str, Any]]:
    """Return one row of figures per contender; a ratio above 1: ours of fixed size is faster."""
    steps = {name: [one.step_s for one in sessions] for name, sessions in found.items()}
    first = {name: [one.first_s for one in sessions] for name, sessions in found.items()}
    mine, huge = list(found)[:2]
    rows = []
    for name, sessions in found.items():
        rows.append({
            "name": name,
            "tokens_per_s": round(1 / _middle(steps[name]), 2),
            "ms_per_token": round(1e3 * _middle(steps[name]), 2),
            "first_token_ms": round(1e3 * _middle(first[name]), 1),
            "peak_private_mb": round(max(one.peak_kb for one in sessions) / 1e3, 1),
            "speed_ratio": ratio(steps[mine], steps[name]),
            "huge_ratio": ratio(steps[huge], steps[name]),
            "first_ratio": ratio(first[mine], first[name]),
            "same_tokens": all(
                one.same and one.tokens == found[mine][0].tokens for one in sessions
            ),
        })  # fmt: skip
    return rows


def copy_limit(checkpoint: Path, threads: int) -> float:
    """Return tokens per second if reading every weight once at copy speed were all there is."""
    from pipeline.perf.probes import measure_peaks

    size = (checkpoint / "model.safetensors").stat().st_size
    return measure_peaks("fp32", "cpu", threads, 2 * size).bytes / size


def render(data: dict[str, Any]) -> str:
    """Return the report as markdown."""
    lines = [
        "# Decode speed of SmolLM2-135M on CPU, float32", "",
        f"{data['new']} new tokens, greedy, batch 1, {data['threads']} threads, "
        f"{data['sessions']} sessions of {data['rounds']} rounds in turns on one machine "
        f"({data['machine']}); medians. The ratios say how many times faster ours of fixed size "
        "is, with 99 % bootstrap intervals over sessions. Memory is the peak of private memory "
        "(RssAnon) while loading and generating once; weights mapped from a file are not in it, "
        "Python's libraries are (torch and transformers in all but onnxruntime-genai). A prompt "
        "costs ours (exported with `--logits last`), transformers and the last row one row of "
        "logits, genai by default all of them. A growing cache is copied in every step; ours of "
        "fixed size (`--kv-cache static`) and onnxruntime-genai's, which has room for the answer, "
        "are written in place and read as far as they are filled. "
        "Reading every weight once at this machine's copy speed would allow "
        f"{data['copy_limit_tokens_per_s']} tokens/s.",
    ]  # fmt: skip
    for length in data["lengths"]:
        lines += ["", f"## {length['prompt']} prompt tokens, a fixed cache of {length['capacity']}",
                  "", *compared(length["rows"])]  # fmt: skip
    versions = ", ".join(f"{name} {value}" for name, value in data["versions"].items())
    lines += ["", f"{versions}; load before: {data['load_before']}."]
    return "\n".join(lines) + "\n"


def compared(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of one table."""
    head = ["", "tokens/s", "ms per token", "first token, ms", "peak private MB",
            "fixed cache, tokens/s", "--huge-pages, tokens/s", "fixed cache, first token",
            "same tokens"]  # fmt: skip
    lines = []
    for row in rows:
        ratios = [f"{r[0]:.3f} × [{r[1]:.3f}, {r[2]:.3f}]" for r in
                  (row["speed_ratio"], row["huge_ratio"], row["first_ratio"])]  # fmt: skip
        if row is rows[0]:
            ratios = ["", ratios[1], ""]
        elif row is rows[1]:
            ratios[1] = ""
        lines.append([row["name"], row["tokens_per_s"], row["ms_per_token"], row["first_token_ms"],
                      row["peak_private_mb"], *ratios,
                      "yes" if row["same_tokens"] else "no"])  # fmt: skip
    return table(head, lines)


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--genai-python", help="python of an environment with onnxruntime-genai")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def main() -> None:
    """Prepare, measure, write."""
    from transformers import AutoTokenizer

    told = options()
    load = round(os.getloadavg()[0], 2)
    lengths, raw = [], {}
    for count, capacity in PROMPTS.items():
        asked = prepare(told.work, told.genai_python, capacity)
        tokenizer = AutoTokenizer.from_pretrained(told.work / "checkpoint")
        prompt = (list(tokenizer(TEXT)["input_ids"]) * count)[:count]
        order = {"prompt": prompt, "new": told.new}
        found = measure(asked, told.threads, order, told.sessions, told.rounds)
        raw[count] = {name: list(map(asdict, sessions)) for name, sessions in found.items()}
        lengths.append({"prompt": count, "capacity": capacity, "rows": summarise(found)})
    versions = {name: version(name) for name in ("onnxruntime", "transformers", "torch")}
    if told.genai_python is not None:
        code = "from importlib.metadata import version as v; print(v('onnxruntime-genai'))"
        said = subprocess.check_output([told.genai_python, "-c", code], text=True)
        versions["onnxruntime-genai"] = said.strip()
    data = {
        "new": told.new, "threads": told.threads, "sessions": told.sessions,
        "rounds": told.rounds, "machine": platform.machine(), "load_before": load,
        "versions": versions, "lengths": lengths,
        "copy_limit_tokens_per_s": round(copy_limit(told.work / "checkpoint", told.threads), 1),
    }  # fmt: skip
    keep_raw(told.out, raw)
    publish(told.out, data, render(data))
    print(render(data))


if __name__ == "__main__":
    main()
