"""A contender's runners, and calls bound to the device where a runner can."""

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import EnvironmentMissingError
from pipeline.perf import opening
from pipeline.perf.contender import Contender
from pipeline.perf.opening import open_contender, prepared

TEXT = '<ir_version: 10, opset_import: ["" : 21]> g (float[n] x) => (float[n] y) { y = Neg(x) }'


@pytest.fixture
def files(tmp_path):
    for name in ("encoder", "decoder"):
        onnx.save(parse_model(TEXT), tmp_path / f"{name}.onnx")
    return {name: str(tmp_path / f"{name}.onnx") for name in ("encoder", "decoder")}


def test_a_runner_per_part_with_the_threads_asked_for(files):
    runners = open_contender(Contender("ours", "ort", files, threads=1))
    assert runners.keys() == {"encoder", "decoder"}
    with runners["decoder"] as runner, runners["encoder"]:
        assert runner.describe()["threads"] == "1"
        assert np.array_equal(runner.run({"x": np.ones(3, np.float32)})["y"], -np.ones(3))


def test_a_device_that_is_absent_is_an_environment_matter(files):
    with pytest.raises(EnvironmentMissingError):
        open_contender(Contender("ours", "ort", files, device="cuda"))


def test_openvino_is_opened_by_its_own_runner(files, monkeypatch):
    asked = []

    def load(module, extra):
        asked.append((module, extra))
        return SimpleNamespace(OpenvinoRunner=lambda file, threads: (file.name, threads))

    monkeypatch.setattr(opening, "load_runtime", load)
    made = open_contender(Contender("openvino", "openvino", files, threads=3))
    assert made == {"encoder": ("encoder.onnx", 3), "decoder": ("decoder.onnx", 3)}
    assert asked == [("pipeline.stages.runners.openvino_runner", "openvino")]


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_torch_is_built_from_the_export_in_the_precision_asked_for(precision, dtype, made_export):
    contender = Contender("eager", "eager", {}, str(made_export), precision, threads=1)
    (runner,) = open_contender(contender).values()
    with runner:
        about = runner.describe()
        assert (about["runtime"], about["precision"]) == ("torch", dtype)
        feeds = {name: np.ones((1, 4), np.int64) for name in runner.input_names}
        assert all(np.isfinite(value).all() for value in runner.run(feeds).values())


def test_a_call_is_bound_where_the_runner_can():
    bound = []

    def prepare(feeds):
        bound.append(feeds)
        return lambda: "done"

    runner = SimpleNamespace(prepare=prepare, run=None)
    assert prepared(runner, {"x": 1})() == "done"
    assert bound == [{"x": 1}]


def test_else_it_is_run_each_time():
    ran = []
    call = prepared(SimpleNamespace(run=ran.append), {"x": 1})
    assert call() is None
    call()
    assert ran == [{"x": 1}] * 2
