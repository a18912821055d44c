"""Claims are re-read from the files: what a manifest says about itself proves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.claims import Claim
from pipeline.claims.check import check_folder
from pipeline.claims.engines import engine_claims
from pipeline.claims.graphs import graph_claims, product_types
from pipeline.claims.ledger import judge
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.precision import type_graph
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
    return {c.claim: c.state for c in check_folder(place)}


def test_an_honest_folder_keeps_everything_but_what_needs_a_gpu(tmp_path):
    found = check_folder(made(tmp_path / "d"))
    open_ones = [c for c in found if c.state != "kept"]
    assert [c.claim for c in open_ones] == ["model.tensorrt-fp16 engine runs on 8.0 and is right"]
    assert open_ones[0].state == "unchecked"
    assert "pipeline pack" in open_ones[0].evidence
    claims = {c.claim: c.evidence for c in found}
    assert claims["model.tensorrt-fp16 is fp16"] == "matrix products: 3 in float16"
    assert claims["model.tensorrt-fp16: 1 attentions fused"] == "1 attention operators in the file"
    assert claims["model.tensorrt-fp16 engine: seq from 1 to 32"].startswith(
        "the profiles take 1 to 32"
    )


ENGINE = "model.tensorrt-fp16 engine"
LIES = {
    "precision": ({"really": "fp32"}, "model.tensorrt-fp16 is fp16"),
    "engine precision": ({"really": "bf16"}, "model.tensorrt-fp16 engine is fp16"),
    "fused": ({"fused": 3}, "model.tensorrt-fp16: 3 attentions fused"),
    "shapes": ({"high": 16}, "model.tensorrt-fp16 engine: seq from 1 to 32"),
    "kernels": (
        {"dedicated": False},
        "model.tensorrt-fp16 engine: every attention has a dedicated kernel",
    ),
    "interface": (
        {"output": "logits"},
        "model.tensorrt-fp16: outputs keep their names",
    ),
}


@pytest.mark.parametrize("case", LIES)
def test_a_broken_promise_is_found_in_the_file(case, tmp_path):
    change, claim = LIES[case]
    found = check_folder(made(tmp_path / "d", **change))
    assert {c.claim: c.state for c in found}[claim] == "broken"


def test_a_changed_file_breaks_its_artifact_and_the_rest_is_still_read(tmp_path):
    place = made(tmp_path / "d")
    file = tmp_path / "d/onnx/model.tensorrt-fp16.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = states(open_folder(tmp_path / "d"))
    assert found["optimize.tensorrt-fp16: files are as they were made"] == "broken"
    assert found["build-engine.tensorrt-fp16: files are as they were made"] == "kept"
    assert place is not None


def results(place, right: bool, digest: str | None = None) -> dict:
    artifact = place.stage("build-engine.tensorrt-fp16")
    return {
        "artifacts": {artifact.stage: digest or artifact.digest},
        "machine": {"gpu": "A GPU"},
        "results": [
            {"name": "model.tensorrt-fp16.engine", "ran": True, "right": right,
             "device": "tensorrt-rtx 1.7", "cases": [{}, {}]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("right", "digest", "state"),
    [(True, None, "kept"), (False, None, "broken"), (True, "older", "unchecked")],
    ids=["right", "wrong", "of another build"],
)
def test_results_from_elsewhere_settle_what_could_not_be_checked(right, digest, state, tmp_path):
    place = made(tmp_path / "d")
    place.write("results/r.json", json.dumps(results(place, right, digest)).encode())
    assert states(place)["model.tensorrt-fp16 engine runs on 8.0 and is right"] == state


def test_an_engine_of_an_older_graph_is_not_that_graph(tmp_path):
    place = made(tmp_path / "d")
    engine = place.stage("build-engine.tensorrt-fp16")
    exported = ExportRecord.of(place.stage("export"))
    graph_artifact = place.stage("optimize.tensorrt-fp16")
    newer = replace(graph_artifact, digest="newer")
    found = {c.claim: c for c in engine_claims(engine, newer, exported, [])}
    assert found["model.tensorrt-fp16 engine is fp16"].state == "broken"
    assert all(c.state == "kept" for c in graph_claims(graph_artifact, exported))


def test_products_without_declared_types_are_inferred(tmp_path):
    graph(tmp_path / "m.onnx", "fp32")
    model = load_model(tmp_path / "m.onnx")
    for node in model.graph:
        for value in node.outputs:
            value.dtype = None
    assert product_types(model) == {"float32": 3}


def test_the_ledger():
    assert judge("a", True, "b") == Claim("a", "kept", "b")
    assert judge("a", False, "b").to_json() == {
        "claim": "a",
        "state": "broken",
        "evidence": "b",
        "where": "",
    }
