"""Latency of one exported BERT in ONNX Runtime on CPU: as exported, fused by others, fused by us.

    python reports/latency/measure.py NAME=FILE.onnx NAME=FILE.onnx ...

The first file is the baseline. Sessions take turns, each quiet after its run (no spinning threads),
the order rotated every round; denormals are flushed for all of them. Ratios are medians over rounds
of baseline / contender with the middle 50 % beside them. Writes data.json and report.md.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
SHAPES = ((1, 16), (1, 128), (8, 128), (1, 512))
THREADS = 2


def open_session(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    settings = Path(path + ".session.json")
    disabled = json.loads(settings.read_text())["disabled_optimizers"] if settings.exists() else []
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
    )


def main() -> None:
    sessions = {name: open_session(path) for name, path in (a.split("=") for a in sys.argv[1:])}
    names, rows = list(sessions), []
    for batch, length in SHAPES:
        mask = np.ones((batch, length), np.int64)
        mask[-1, -3:] = 0
        ids = np.random.default_rng(0).integers(0, 1000, (batch, length))
        feeds = {"input_ids": ids, "attention_mask": mask}
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(42 if batch * length < 600 else 12):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                start = time.perf_counter()
                sessions[name].run(None, feeds)
                times[name].append((time.perf_counter() - start) * 1e3)
                time.sleep(0.005)
        for name in names:
            ratios = np.array(times[names[0]][2:]) / np.array(times[name][2:])
            low, middle, high = np.percentile(ratios, [25, 50, 75])
            rows.append({
                "shape": f"{batch} x {length}", "name": name, "samples_ms": times[name],
                "median_ms": round(float(np.median(times[name][2:])), 2),
                "ratio": [round(float(x), 3) for x in (low, middle, high)],
            })  # fmt: skip
            print({k: v for k, v in rows[-1].items() if k != "samples_ms"}, flush=True)
    data = {"onnxruntime": onnxruntime.__version__, "threads": THREADS, "load": os.getloadavg()[0]}
    (HERE / "data.json").write_text(json.dumps({**data, "rows": rows}) + "\n")
    lines = [
        "# Latency of BERT-base in ONNX Runtime, CPU, float32", "",
        f"ONNX Runtime {data['onnxruntime']}, {THREADS} threads, dynamo export at opset 18, one "
        "machine, one run; ratio to the graph as exported, median [middle half of rounds].", "",
        "| batch x length | graph | median ms | times faster |", "|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        low, middle, high = row["ratio"]
        lines.append(
            f"| {row['shape']} | {row['name']} | {row['median_ms']} | {middle} [{low}, {high}] |"
        )
    (HERE / "report.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
