from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.perf.contenders import (
    default_threads,
    file_contenders,
    folder_contenders,
)
from tests.pipeline.records.made import (
    engine_part,
    engine_record,
    exported_part,
    optimize_record,
    optimized_part,
)

EXPORTED = {"model": exported_part()}
OTHERS = {
    "build-engine.tensorrt-fp16": engine_record({"model": engine_part("engine/m.plan")}),
    **{
        f"optimize.{variant}": optimize_record(
            {"model": optimized_part(f"onnx/model.{variant}.onnx")}
        )
        for variant in ("ort-cpu-fp32", "ort-cuda-fp16", "tensorrt-fp16")
    },
}


def test_everything_a_folder_holds_takes_part_or_is_told_apart():
    made, left = folder_contenders(Path("out"), EXPORTED, OTHERS, ("eager", "ort"), 3)
    about = {c.name: (c.kind, c.device, c.precision) for c in made}
    assert about == {
        "eager": ("eager", "cpu", "fp32"),
        "exported": ("ort", "cpu", "fp32"),
        "ort-cpu-fp32": ("ort", "cpu", "fp32"),
        "ort-cuda-fp16": ("ort", "cuda", "fp16"),
        "engine tensorrt-fp16": ("tensorrt", "cuda", "fp16"),
    }
    assert list(left) == ["tensorrt-fp16"]
    assert {c.threads for c in made} == {3}
    assert made[-1].files == {"model": str(Path("out/engine/m.plan"))}


def test_torch_runs_on_the_gpu_in_the_precisions_of_its_rivals_there():
    made, _ = folder_contenders(Path("out"), EXPORTED, OTHERS, ("eager",), 1, torch_gpu=True)
    on_gpu = [(c.name, c.kind, c.precision) for c in made if c.device == "cuda"]
    assert ("eager cuda fp16", "eager", "fp16") in on_gpu
    assert "eager cuda fp32" not in {name for name, _, _ in on_gpu}


def test_a_file_can_be_held_against_itself(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    made = file_contenders([tmp_path / "m.onnx"] * 2, "model", 1)
    assert [c.name for c in made] == ["m.onnx", "m.onnx (2)"]
    assert made[0].files == made[1].files


def test_files_that_cannot_be_measured_are_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    (tmp_path / "m.txt").write_bytes(b"x")
    made = file_contenders([tmp_path / "m.onnx"], "model", 1)
    assert made[0].kind == "ort"
    for wrong in ("m.txt", "absent.onnx"):
        with pytest.raises(UsageError, match="can be measured"):
            file_contenders([tmp_path / "m.onnx", tmp_path / wrong], "model", 1)


def test_threads_default_to_cores():
    assert default_threads() >= 1
