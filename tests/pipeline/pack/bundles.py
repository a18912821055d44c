"""Folders to pack, and a run of what was packed where nothing of ours can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.artifacts import open_folder, run_stage
from pipeline.graph.files.model_file import save_model
from pipeline.pack import bundle_runner
from pipeline.precision import type_graph
from pipeline.records.export import ExportRecord
from pipeline.records.variant import VERBS
from tests.pipeline.records.made import (
    engine_part,
    engine_record,
    export_record,
    exported_part,
    optimize_record,
    optimized_part,
)

HOME = Path(bundle_runner.__file__).parents[2]
TEXT = """<ir_version: 10, opset_import: ["" : 21]>
g (int64[batch,seq] ids, float[batch,seq,16] x) => (float[batch,seq,16] y) {
    e = Gather(table, ids)
    a = Add(e, x)
    n = LayerNormalization<axis=-1>(a, gamma)
    h = MatMul(n, w)
    y = Tanh(h)
}"""


def graph(path: Path, wrong: float = 0.0, low: bool = False) -> None:
    proto = onnx.parser.parse_model(TEXT)
    weights = {
        "table": np.random.default_rng(1).standard_normal((32, 16)),
        "gamma": np.ones(16),
        "w": np.random.default_rng(2).standard_normal((16, 16)) * 0.3 * (1 + wrong),
    }
    for name, array in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype("f4"), name))
    model = ir.from_proto(proto)
    if low:
        type_graph(model, None, "fp16")
    save_model(model, path)


def stage(folder: Path, name: str, files: dict[str, dict], **told) -> None:
    """Leave an artifact of these files behind."""

    def produce(context):
        ((file, options),) = files.items()
        if file.endswith(".plan"):
            context.path(file).write_bytes(b"plan")
            return engine_record({"model": engine_part(file)})
        graph(context.path(file), **options)
        if name == "export":
            return export_record({"model": exported_part()})
        return optimize_record({"model": optimized_part(file, **told)})

    record = {"export": ExportRecord, **VERBS}[name.partition(".")[0]]
    run_stage(open_folder(folder, create=True), name, {"made": name}, {}, produce, record)


def run(here: Path, bare: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle where this toolkit and its libraries cannot be imported."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-S", "run.py", *arguments], cwd=here, capture_output=True, text=True,
        env={**clean, "PYTHONPATH": str(bare)},
    )  # fmt: skip
