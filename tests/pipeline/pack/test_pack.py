"""A bundle, unpacked somewhere else, judges graphs right and wrong without this toolkit."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError, UsageError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.pack import bundle_runner
from pipeline.pack.cases import write_cases
from pipeline.pack.contents import files_of, find_candidates
from pipeline.pack.options import PackOptions
from pipeline.pack.results import read_results
from pipeline.pack.stage import pack_folder
from pipeline.precision import type_graph
from tests.pipeline.records.made import export_record, exported_part

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


def stage(folder: Path, name: str, files: dict[str, dict], facts: dict | None = None) -> None:
    """Leave an artifact of these files behind."""

    def produce(context):
        parts = {}
        for file, options in files.items():
            if file.endswith(".plan"):
                context.path(file).write_bytes(b"plan")
            else:
                graph(context.path(file), **options)
            parts["model"] = {"file": file, **(facts or {})}
        if name == "export":
            return export_record({"model": exported_part()})
        return {"parts": parts}

    run_stage(open_folder(folder, create=True), name, {"made": name}, {}, produce)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    base = tmp_path_factory.mktemp("pack")
    folder = base / "made"
    stage(folder, "export", {"onnx/model.exported.onnx": {}})
    stage(
        folder,
        "optimize.ort-cpu-fp32",
        {"onnx/model.ort-cpu-fp32.onnx": {}},
        {"session": {"denormals": "flush", "disabled_optimizers": ["GeluFusion"]}},
    )
    stage(folder, "optimize.tensorrt-fp16", {"onnx/model.tensorrt-fp16.onnx": {"low": True}})
    stage(folder, "optimize.onnx-fp32", {"onnx/model.onnx-fp32.onnx": {"wrong": 1e-4}})
    stage(folder, "optimize.ort-cuda-fp16", {"onnx/model.ort-cuda-fp16.onnx": {"low": True}})
    stage(
        folder,
        "build-engine.tensorrt-fp16",
        {"engine/model.tensorrt-fp16.sm80.plan": {}},
        {"flavour": "tensorrt-rtx", "version": "1.7"},
    )
    bundle = pack_folder(PackOptions(folder, base / "b.tar", cases=2))
    with tarfile.open(bundle.path) as tar:
        tar.extractall(base / "elsewhere", filter="data")
    return folder, bundle, base / "elsewhere" / "b"


def run(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=here, env=clean, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def results(unpacked):
    folder, _bundle, here = unpacked
    done = run(here, "--rounds", "2", "--seconds", "0.02")
    assert done.returncode == 1, done.stdout + done.stderr  # one graph is wrong on purpose
    return read_results(here / "results.json", open_folder(folder)), done.stdout


def test_right_and_wrong_are_told_apart(results):
    found = {m.name: m for m in results[0].measured}
    assert found["model.exported"].right
    assert found["model.ort-cpu-fp32"].right
    assert found["model.tensorrt-fp16"].right
    assert found["model.onnx-fp32"].right is False
    assert not results[0].right
    assert "model.onnx-fp32: WRONG" in results[1]


def test_what_cannot_run_says_why(results):
    found = {m.name: m for m in results[0].measured}
    cuda, engine = found["model.ort-cuda-fp16"], found["model.tensorrt-fp16.engine"]
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        assert not cuda.ran
        assert "no CUDAExecutionProvider" in cuda.device
    assert not engine.ran
    assert "NVIDIA" in engine.device or "does not load" in engine.device


def test_raw_samples_come_back_per_case_and_round(results):
    found = {m.name: m for m in results[0].measured}
    rounds = found["model.ort-cpu-fp32"].latency_ms
    assert {case: len(r) for case, r in rounds.items()} == {"model-0": 2, "model-1": 2}
    assert all(ms > 0 for ms in found["model.ort-cpu-fp32"].median_ms().values())
    assert found["model.onnx-fp32"].latency_ms == {}, "what is wrong is not timed"


def test_results_know_whether_the_folder_has_moved_on(unpacked, results, tmp_path):
    assert results[0].current
    assert results[0].machine["gpu"]
    folder, _bundle, here = unpacked
    raw = json.loads((here / "results.json").read_text())
    raw["artifacts"]["export"] = "other"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    assert read_results(tmp_path / "r.json", open_folder(folder)).changed == ("export",)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", '{"format": 1, "results": 3}'])
def test_other_files_are_no_results(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match="no results of a bundle"):
        read_results(tmp_path / "r.json")


def test_a_damaged_file_stops_the_run(unpacked, tmp_path):
    import shutil

    _folder, _bundle, here = unpacked
    shutil.copytree(here, tmp_path / "b")
    file = tmp_path / "b/onnx/model.exported.onnx"
    file.write_bytes(file.read_bytes() + b"x")
    done = run(tmp_path / "b")
    assert done.returncode == 1
    assert "is damaged" in done.stderr


def test_nothing_that_runs_is_code_3(unpacked):
    assert run(unpacked[2], "--only", "engine").returncode == 3


def test_the_same_folder_gives_the_same_bytes(unpacked, tmp_path):
    folder, bundle, _here = unpacked
    again = pack_folder(PackOptions(folder, tmp_path / "b.tar", cases=2))
    assert again.path.read_bytes() == bundle.path.read_bytes()
    assert (bundle.cases, len(bundle.candidates)) == (2, 6)


def test_variants_can_be_chosen(unpacked, tmp_path):
    folder = unpacked[0]
    options = PackOptions(folder, tmp_path / "b.tar", cases=1, variants=("tensorrt-fp16",))
    assert pack_folder(options).candidates == ("model.tensorrt-fp16.engine", "model.tensorrt-fp16")
    with pytest.raises(FolderError, match="no variant nope"):
        find_candidates(open_folder(folder), ["nope"])
    found, _artifacts = find_candidates(open_folder(folder), ["exported"])
    assert files_of(folder, found[0]) == {"onnx/model.exported.onnx"}


def test_limits_catch_half_an_error_and_let_rounding_pass(tmp_path):
    graph(tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    (record,) = write_cases(model, "model", 1, 0, ["fp32", "fp16"], tmp_path)
    assert record["limits"]["fp16"]["y"]["rms"] > 100 * record["limits"]["fp32"]["y"]["rms"]


@pytest.mark.parametrize("bad", [{"cases": 0}, {"output": Path("b.zip")}])
def test_options(bad):
    with pytest.raises(UsageError):
        PackOptions(**{"folder": Path("d"), "output": Path("b.tar"), **bad})


SCRIPTS = ("run.py", "in_place.py", "cuda_driver.py", "tensorrt_engine.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_need_nothing_of_ours(unpacked, name):
    tree = ast.parse((unpacked[2] / name).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert found - set(sys.stdlib_module_names) <= {"numpy", "ml_dtypes", "__future__"}


def test_measure_and_verdict():
    wanted = np.array([1.0, 2.0, np.nan, np.inf])
    same = bundle_runner.measure(wanted.astype("f4"), wanted)
    assert same == {"rms": 0.0, "quantile": 0.0, "max": 0.0, "bad": 0}
    lost = bundle_runner.measure(np.array([np.nan, 2.0, 0, 0]), wanted)
    assert lost["bad"] == 1
    assert bundle_runner.measure(None, wanted)["bad"] == 4
    limits = {"rms": 1.0, "quantile": 1.0, "max": 1.0}
    assert bundle_runner.within(same, limits)
    assert not bundle_runner.within(lost, limits)
    assert not bundle_runner.within({**same, "max": 1.5}, limits)
