"""Judge every model of a zoo folder against the outputs PyTorch gave: run by hand, not in CI.

    python -m tests.pipeline.judge.check_zoo WORK/models [PATTERN]

A set of inputs that ONNX Runtime refuses or computes wrongly too is the export's own fault (sizes
frozen at export) and is listed apart.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from pipeline.errors import PipelineError
from pipeline.graph.files.model_file import load_model
from pipeline.judge import Judge

TOLERANCE = 1e-4  # PyTorch computed in float32


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    finite = np.isfinite(theirs)
    scale = max(float(np.abs(theirs[finite]).max(initial=0.0)), 1e-6)
    return float(np.abs(ours - theirs)[finite].max(initial=0.0)) / scale


def by_ort(path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options).run(None, feeds)


def check(folder: Path, letter: str, judge: Judge) -> tuple[float, str]:
    stored = np.load(folder / f"{letter}.npz")
    feeds = {k.removeprefix("in:"): stored[k] for k in stored.files if k.startswith("in:")}
    expected = {k: stored[k] for k in stored.files if k.startswith("out:")}
    try:
        got = [y.double().numpy() for y in judge.run(feeds).values()]
    except PipelineError as err:
        got, reason = [], str(err).splitlines()[0]
    else:
        reason = ""
    if got:
        worst = max(relative_error(got[int(k[4:])], y) for k, y in expected.items())
        if worst <= TOLERANCE:
            return worst, ""
        reason = f"off by {worst:.1e}"
    try:
        theirs = by_ort(folder / "model.onnx", feeds)
        off = max(relative_error(theirs[int(k[4:])], y) for k, y in expected.items())
    except Exception:
        off = float("inf")
    return float("inf"), f"{reason} ({'ONNX Runtime fails too' if off > TOLERANCE else 'OURS'})"


def main(root: Path, pattern: str) -> int:
    torch.set_num_threads(1)
    good, frozen, bad, worst = 0, 0, 0, 0.0
    for folder in sorted(path.parent for path in root.glob(f"{pattern}/model.onnx")):
        judge = Judge(load_model(folder / "model.onnx"))
        for letter in "ABC":
            if not (folder / f"{letter}.npz").exists():
                continue
            error, why = check(folder, letter, judge)
            good += not why
            frozen += "too" in why
            bad += "OURS" in why
            worst = worst if why else max(worst, error)
            if why:
                print(folder.name, letter, why[:200])
    print(f"{good} sets agree (worst {worst:.1e}), {frozen} no runtime can run, {bad} are wrong")
    return bad


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "*"))
