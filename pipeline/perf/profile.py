"""Where the time goes inside a graph: the runtime's own profile, summed by construct."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.operators import ATTENTIONS, GELUS, PLAIN_NORMS, RESIDUAL_NORMS
from pipeline.ort.session import OrtOptions
from pipeline.stages.runners.ort_runner import OrtRunner

CALLS = 10
OPS = {
    "attention": ATTENTIONS | {"FusedMatMul", "Softmax"},
    "linear": ("MatMul", "Gemm", "MatMulNBits", "DynamicQuantizeMatMul", "Conv"),
    "norm": PLAIN_NORMS | RESIDUAL_NORMS,
    "activation": GELUS | {"Relu", "Tanh", "Erf", "Sigmoid"},
    "rotary": ("RotaryEmbedding",),
    "embedding": ("Gather",),
    "layout": ("Transpose", "Concat", "Reshape", "Expand", "Slice", "Split", "Cast", "Unsqueeze",
               "Where", "Squeeze", "Shape"),
}  # fmt: skip


def profile_graph(
    path: Path, feeds: Mapping[str, np.ndarray], threads: int, constructs: Mapping[str, str]
) -> dict[str, float]:
    """Return milliseconds per call by construct, in a session of its own.

    Args:
        path: The graph; settings beside it are applied.
        feeds: Its inputs.
        threads: Threads inside one operator.
        constructs: Node name -> construct; nodes the runtime made itself go by their operator.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = OrtOptions(threads=threads, check_assignment=False, profile=Path(folder) / "p")
        with OrtRunner(path, options) as runner:
            for _ in range(CALLS + 1):
                runner.run(feeds)
            events = json.loads(Path(runner.end_profile()).read_text(encoding="utf-8"))
    return sum_events(events, constructs, CALLS + 1)


def sum_events(
    events: Sequence[Mapping[str, Any]], constructs: Mapping[str, str], calls: int
) -> dict[str, float]:
    """Return milliseconds per call by construct; each node's slowest call counts as warm-up."""
    times: dict[str, list[float]] = {}
    owner: dict[str, str] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") != "Node" or not name.endswith("_kernel_time"):
            continue
        node = name.removesuffix("_kernel_time")
        times.setdefault(node, []).append(float(event["dur"]) / 1e3)
        owner[node] = constructs.get(node) or by_operator(str(event["args"].get("op_name", "")))
    sums: dict[str, float] = {}
    for node, taken in times.items():
        kept = sorted(taken)[:-1] if len(taken) == calls > 1 else taken
        sums[owner[node]] = sums.get(owner[node], 0.0) + sum(kept) / max(1, calls - 1)
    return sums


def by_operator(op: str) -> str:
    """Return the construct an operator usually belongs to."""
    return next((name for name, ops in OPS.items() if op in ops), "other")
