"""Check that normalising a model changes nothing but its form.

    python tests/pipeline/graph/check_normalise.py [--opset N] MODEL_DIR [MODEL_DIR ...]

A MODEL_DIR holds model.onnx and input sets (*.npz). Original and normalised model are run on each
set; outputs must agree within float32 rounding. Prints one line per model, exits 1 on a failure.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.graph.files.model_file import load_model
from pipeline.graph.normalise import normalise
from tests.pipeline.graph.check_facts import feed_sets


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs from ONNX Runtime without its own rewriting, or from the reference."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted = {i.name for i in session.get_inputs()}
        return list(session.run(None, {k: v for k, v in feeds.items() if k in wanted}))
    except Exception as error:
        from onnx.reference import ReferenceEvaluator

        try:
            return list(ReferenceEvaluator(model).run(None, dict(feeds)))
        except Exception:
            raise RuntimeError(str(error)[:300]) from error


def check(folder: Path, opset: int | None) -> tuple[str, bool]:
    """Return a line about the model and whether it came out equal."""
    path = folder / "model.onnx"
    original, model = onnx.load(path), load_model(path)
    before = model.graph.num_nodes()
    start = time.perf_counter()
    normalise(model, opset)
    seconds = time.perf_counter() - start
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    worst, ran = 0.0, 0
    for feeds in feed_sets(folder):
        try:
            expected = run(original, feeds)
        except RuntimeError:
            continue  # the export itself does not run on these sizes
        found = run(proto, feeds)
        ran += 1
        for a, b in zip(expected, found, strict=True):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{folder.name}: {a.shape} {a.dtype} became {b.shape} {b.dtype}", False
            if a.size:
                scale = max(float(np.abs(a).max()), 1e-6)
                same = np.isnan(a.astype(np.float64)) == np.isnan(b.astype(np.float64))
                off = float(np.nanmax(np.abs(a.astype(np.float64) - b))) / scale
                worst = max(worst, off if same.all() else np.inf)
    nodes = f"{before} -> {model.graph.num_nodes()} nodes"
    line = f"{folder.name}: {nodes}, {seconds:.3f} s, {ran} sets, relative error {worst:.1e}"
    return line, worst < 1e-5  # the same float32 operations, so next to nothing may differ


def main(arguments: list[str]) -> int:
    """Check each folder, return the exit code."""
    opset = None
    if arguments[:1] == ["--opset"]:
        opset, arguments = int(arguments[1]), arguments[2:]
    failed = 0
    for folder in map(Path, arguments):
        try:
            line, good = check(folder, opset)
        except Exception as error:
            line, good = f"{folder.name}: {type(error).__name__}: {str(error)[:400]}", False
        failed += not good
        print(line if good else f"FAILED {line}")
    print(f"{len(arguments)} models, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
