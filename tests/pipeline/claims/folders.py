"""A folder with an export, a graph and an engine, honest or not, and what bundles say of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.artifacts import open_folder, run_stage
from pipeline.claims.check import check_folder
from pipeline.graph.files.model_file import save_model
from pipeline.precision import type_graph
from pipeline.records.bundle import BundleResults, BundleRow, CaseOutcome
from pipeline.records.engine import EngineRecord, ShapeRange
from pipeline.records.export import ExportRecord
from pipeline.records.optimize import OptimizeRecord, SiteCounts, TypingRecord
from pipeline.records.tensors import SizeRange
from tests.pipeline.records.made import (
    attention_row,
    engine_part,
    engine_record,
    export_record,
    exported_part,
    optimize_record,
    optimized_part,
    tensor,
)

ENGINE = "model.tensorrt-fp16 engine"

TEXT = """<ir_version: 10, opset_import: ["" : 23]>
g (float[batch,2,seq,16] x) => (float[batch,2,seq,16] y) {
    a = Attention(x, x2, x)
    b = MatMul(a, w)
    s = Softmax<axis=-1>(b)
    y = MatMul(s, w)
}""".replace("x2", "z").replace("g (", "g (float[batch,2,seq,16] z, ")


def graph(path: Path, precision: str) -> TypingRecord:
    proto = onnx.parser.parse_model(TEXT)
    w = np.random.default_rng(0).standard_normal((16, 16)).astype("f4")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(w, "w"))
    model = ir.from_proto(proto)
    typing = type_graph(model, None, precision).record()
    save_model(model, path)
    return typing


KNOWN = exported_part(
    inputs=tuple(tensor(name, "batch", 2, "seq", 16) for name in "zx"),
    outputs=(tensor("y", "batch", 2, "seq", 16),),
    dims={"batch": SizeRange(1, 2, 4), "seq": SizeRange(1, 8, 32)},
)


def made(folder: Path, says="fp16", really="fp16", fused=1, high=32, dedicated=True, output="y"):
    """Leave an export, a graph and an engine behind, honest or not."""
    place = open_folder(folder, create=True)

    def export(context):
        graph(context.path("onnx/model.exported.onnx"), "fp32")
        return export_record({"model": replace(KNOWN, outputs=(tensor(output),))})

    def optimize(context):
        file = "onnx/model.tensorrt-fp16.onnx"
        typing = graph(context.path(file), really)
        counts = {"attention": SiteCounts(fused=fused, plain=0, refused=0)}
        part = optimized_part(file, known=KNOWN, counts=counts, typing=typing)
        return optimize_record({"model": part}, precision=says)

    def engine(context):
        context.path("engine/model.tensorrt-fp16.sm80.plan").write_bytes(b"plan")
        shapes = ShapeRange((1, 2, 1, 16), (2, 2, 8, 16), (4, 2, high, 16))
        part = engine_part(
            profiles=({"x": shapes, "z": shapes},),
            inputs=tuple(tensor(name, dtype="float16") for name in "zx"),
            outputs=(tensor("y", dtype="float16"),),
            attention=(attention_row(dedicated=dedicated),),
            decomposable=False,
        )
        return engine_record({"model": part})

    run_stage(place, "export", {}, {}, export, ExportRecord)
    typed = run_stage(place, "optimize.tensorrt-fp16", {}, {}, optimize, OptimizeRecord)
    parents = {"graph": typed}
    run_stage(place, "build-engine.tensorrt-fp16", {}, parents, engine, EngineRecord)
    return place


def states(place) -> dict[str, str]:
    """Return the state of every claim of a folder."""
    return {c.claim: c.state for c in check_folder(place)}


def results(place, right: bool, digest: str | None = None, **changes) -> bytes:
    """Return results.json of a bundle that ran the engine on two sets of inputs."""
    artifact = place.stage("build-engine.tensorrt-fp16")
    told = {
        "ran": True,
        "right": right,
        "device": "tensorrt-rtx 1.7",
        "cases": (CaseOutcome(case="a", right=True), CaseOutcome(case="b", right=right)),
    }
    row = BundleRow(name="model.tensorrt-fp16.engine", precision="fp16", **{**told, **changes})
    made = BundleResults(
        bundle="ab",
        artifacts={artifact.stage: digest or artifact.digest},
        when="now",
        machine={"gpu": "A GPU"},
        results=(row,),
    )
    return json.dumps(made.to_json()).encode()
