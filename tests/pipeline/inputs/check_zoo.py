"""Make inputs for every model of a zoo folder and run it on them: by hand, not in CI.

    python -m tests.pipeline.inputs.check_zoo WORK/models [PATTERN]

Every style at one assignment of sizes and every assignment in three styles, in ONNX Runtime; in the
judge where ONNX Runtime refuses the file whatever the inputs (some opset-23 exports).
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from pipeline.graph.files.model_file import load_model
from pipeline.inputs import STYLES, InputMaker
from pipeline.judge import Judge

PLANS = [(0, style) for style in STYLES] + [
    (variant, style) for variant in (1, 2, 3) for style in ("plain", "padded", "holes")
]


def run(path: Path, judge: Judge, feeds: dict[str, np.ndarray]) -> tuple[list[np.ndarray], str]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return session.run(None, feeds), "ort"
    except Exception:
        return [y.numpy() for y in judge.run(feeds).values()], "judge"


def main(root: Path, pattern: str) -> int:
    torch.set_num_threads(1)
    counts = {"ort": 0, "judge": 0}
    bad = nan = 0
    for path in sorted(root.glob(f"{pattern}/model.onnx")):
        model = load_model(path)
        maker, judge = InputMaker(model), Judge(model, "float32")
        for variant, style in PLANS:
            dims = None if style == "length-1" else maker.dims(variant)
            try:
                outputs, by = run(path, judge, maker.make(dims, 1, style))
            except Exception as err:
                bad += 1
                print(path.parent.name, variant, style, str(err).splitlines()[0][:160])
                continue
            counts[by] += 1
            if any(y.dtype.kind == "f" and np.isnan(y).any() for y in outputs):
                nan += 1
                print(path.parent.name, variant, style, "NaN")
    print(
        f"{counts['ort']} runs in ONNX Runtime, {counts['judge']} in the judge alone, "
        f"{bad} failed, {nan} with NaN"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "*"))
