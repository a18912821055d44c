from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import BadModelError
from pipeline.parity.candidates import (
    Candidate,
    file_candidates,
    folder_candidates,
    model_precision,
    name_precision,
    named_candidates,
)
from pipeline.records.optimize import OptimizeRecord
from pipeline.stages.runners.judge_runner import JudgeRunner
from tests.pipeline.records.made import (
    engine_part,
    engine_record,
    exported_part,
    optimize_record,
    optimized_part,
)


def model(dtype):
    head = '<ir_version: 10, opset_import: ["" : 21]>'
    made = parse_model(f"{head} g ({dtype}[n, 4] x) => ({dtype}[n, 4] y) {{ y = Mul(x, w) }}")
    weight = np.ones(4, np.float32)
    tensor = numpy_helper.from_array(weight, "w")
    if dtype != "float":
        kind = {"float16": onnx.TensorProto.FLOAT16, "bfloat16": onnx.TensorProto.BFLOAT16}[dtype]
        tensor = onnx.helper.make_tensor("w", kind, [4], weight)
    made.graph.initializer.append(tensor)
    return made


@pytest.mark.parametrize(
    ("dtype", "precision"), [("float", "fp32"), ("float16", "fp16"), ("bfloat16", "bf16")]
)
def test_precision_is_read_off_the_weights(dtype, precision):
    assert model_precision(ir.from_proto(model(dtype))) == precision


@pytest.mark.parametrize(
    ("name", "precision"),
    [("tensorrt-fp16", "fp16"), ("model.tensorrt-bf16.sm80.plan", "bf16"), ("a.plan", "fp32")],
)
def test_precision_of_engines_is_in_their_names(name, precision):
    assert name_precision(name) == precision


def test_a_folder_lists_exported_optimized_engines(tmp_path):
    for name in ("e.onnx", "o.onnx"):
        onnx.save(model("float"), tmp_path / name)
    exported = {"model": exported_part(file="e.onnx")}
    others = {
        "build-engine.tensorrt-fp16": engine_record({"model": engine_part("m.plan")}),
        "optimize.ort-cpu-fp32": optimize_record({"model": optimized_part("o.onnx")}),
    }
    found = folder_candidates(exported, others, tmp_path)
    assert [(c.name, c.precision, c.is_engine) for c in found] == [
        ("exported", "fp32", False),
        ("ort-cpu-fp32", "fp32", False),
        ("engine tensorrt-fp16", "fp16", True),
    ]
    (named,) = file_candidates([tmp_path / "e.onnx"], "model")
    assert (named.name, named.part) == ("e.onnx", "model")


def test_bfloat16_that_the_runtime_lacks_runs_in_the_judge(tmp_path):
    onnx.save(model("bfloat16"), tmp_path / "m.onnx")
    made = Candidate("m", "model", tmp_path / "m.onnx", "bf16").open()
    assert isinstance(made, JudgeRunner)


def test_other_refusals_are_not_hidden(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"junk")
    with pytest.raises(BadModelError):
        Candidate("m", "model", Path(tmp_path / "m.onnx"), "fp32").open()


def test_another_folder_brings_its_variants(tmp_path):
    folder = open_folder(tmp_path / "more", create=True)

    def produce(context):
        onnx.save(model("float"), context.path("onnx/model.ort-cpu-fp32.onnx"))
        return optimize_record()

    run_stage(folder, "optimize.ort-cpu-fp32", {}, {}, produce, OptimizeRecord)
    onnx.save(model("float"), tmp_path / "f.onnx")
    found = named_candidates([folder.path, tmp_path / "f.onnx"], "model")
    assert [c.name for c in found] == ["more/ort-cpu-fp32", "f.onnx"]
