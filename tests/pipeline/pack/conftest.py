"""One bundle, unpacked and run once, for all tests of it."""

from __future__ import annotations

import importlib.util
import tarfile
from pathlib import Path

import pytest

from pipeline.ort.settings import SessionSettings
from pipeline.pack.options import PackOptions
from pipeline.pack.results import read_results
from pipeline.pack.stage import pack_folder
from tests.pipeline.pack.bundles import run, stage


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    base = tmp_path_factory.mktemp("pack")
    folder = base / "made"
    stage(folder, "export", {"onnx/model.exported.onnx": {}})
    stage(
        folder,
        "optimize.ort-cpu-fp32",
        {"onnx/model.ort-cpu-fp32.onnx": {}},
        session=SessionSettings(denormals="flush", disabled_optimizers=("GeluFusion",)),
    )
    stage(folder, "optimize.tensorrt-fp16", {"onnx/model.tensorrt-fp16.onnx": {"low": True}})
    stage(folder, "optimize.onnx-fp32", {"onnx/model.onnx-fp32.onnx": {"wrong": 1e-4}})
    stage(folder, "optimize.ort-cuda-fp16", {"onnx/model.ort-cuda-fp16.onnx": {"low": True}})
    stage(folder, "build-engine.tensorrt-fp16", {"engine/model.tensorrt-fp16.sm80.plan": {}})
    bundle = pack_folder(PackOptions(folder, base / "b.tar", cases=2))
    with tarfile.open(bundle.path) as tar:
        tar.extractall(base / "elsewhere", filter="data")
    return folder, bundle, base / "elsewhere" / "b"


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Return a folder of libraries with numpy and onnxruntime alone, as on the other machine."""
    site = tmp_path_factory.mktemp("bare")
    for name in ("numpy", "onnxruntime"):
        home = Path(importlib.util.find_spec(name).origin).parent
        for part in (home, home.with_name(f"{name}.libs")):  # the second holds shared libraries
            if part.is_dir():
                (site / part.name).symlink_to(part)
    return site


@pytest.fixture(scope="session")
def results(unpacked, bare):
    _folder, _bundle, here = unpacked
    done = run(here, bare, "--rounds", "2", "--seconds", "0.02")
    assert done.returncode == 1, done.stdout + done.stderr  # one graph is wrong on purpose
    return read_results(here / "results.json"), done.stdout
