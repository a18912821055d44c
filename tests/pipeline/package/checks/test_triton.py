"""The check of a model repository: configurations read by protobuf's stand-in, servers by ours."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from pipeline.package.checks import common
from pipeline.package.checks import triton as module

NUMBERS = {1: "TYPE_INT64", 2: "TYPE_FP32", 3: "TYPE_STRING"}
KINDS = {"INT64": np.int64, "FP32": np.float32}
TENSORS = {"model": {"ids": ["int64", [-1, -1]], "y": ["float32", [-1, 3]]}}


class Config:
    """A model's configuration, with as much of protobuf as is asked of it."""

    DESCRIPTOR = SimpleNamespace(
        fields_by_name={"input": SimpleNamespace(message_type=SimpleNamespace(fields_by_name={
            "data_type": SimpleNamespace(enum_type=SimpleNamespace(values_by_number={
                n: SimpleNamespace(name=name) for n, name in NUMBERS.items()}))}))}
    )  # fmt: skip

    def __init__(self, name="model", rows=0, backend="onnxruntime", **tensors):
        told = {"ids": (1, [-1, -1]), "y": (2, [-1, 3]), **tensors}
        specs = {
            key: SimpleNamespace(name=key, data_type=kind, dims=dims)
            for key, (kind, dims) in told.items()
            if kind
        }
        self.name, self.max_batch_size, self.backend = name, rows, backend
        self.input = [spec for key, spec in specs.items() if key != "y"]
        self.output = [spec for key, spec in specs.items() if key == "y"]


@pytest.fixture
def client(monkeypatch):
    modules = {
        "tritonclient": ModuleType("tritonclient"),
        "tritonclient.grpc": ModuleType("tritonclient.grpc"),
        "tritonclient.http": ModuleType("tritonclient.http"),
        "tritonclient.utils": SimpleNamespace(triton_to_np_dtype=KINDS.get),
        "tritonclient.grpc.model_config_pb2": SimpleNamespace(ModelConfig=Config),
        "google.protobuf.text_format": SimpleNamespace(
            Parse=lambda text, config: Config(**json.loads(text))
        ),
    }
    for name, made in modules.items():
        monkeypatch.setitem(sys.modules, name, made)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (Config(), ""),
        (Config(rows=4, ids=(1, [-1]), y=(2, [3])), ""),
        (Config(name="other"), "it is called other"),
        (Config(ids=(2, [-1, -1])), "ids is float32"),
        (Config(ids=(1, [-1])), "ids is int64 [-1], the graph's int64 [-1, -1]"),
        (Config(y=(2, [-1, 4])), "the graph's float32 [-1, 3]"),
        (Config(mask=(1, [-1])), "the graph's nothing"),
        (Config(ids=(0, [])), "ids is left out"),
        (Config(rows=4), "ids is int64 [-1, -1], the graph's int64 [-1]"),
    ],
)
def test_a_configuration_says_what_the_graph_says(client, config, says):
    found = module.configured({"tensors": TENSORS}, "model", config)
    assert found["right"] is (not says)
    assert says in found["says"]


def test_without_a_server_what_is_not_served_is_said(client, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "server_here", lambda: None)
    home = tmp_path / "models" / "model"
    home.mkdir(parents=True)
    (home / "config.pbtxt").write_text("{}")
    asked = {"package": tmp_path, "repository": "models", "tensors": TENSORS, "twin": "twin"}
    found = module.check(asked)
    assert [one["right"] for one in found] == [True, None]
    assert "no tritonserver" in found[1]["says"]
    (home / "config.pbtxt").write_text('{"name": "other"}')
    assert module.check(asked)[0]["right"] is False


def test_without_the_client_nothing_is_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient", None)
    with pytest.raises(common.NotCheckedError, match="tritonclient"):
        module.check({})


def test_a_server_that_ends_at_once_is_told_with_its_reason(tmp_path):
    running = subprocess.Popen([sys.executable, "-c", ""])
    running.wait()
    log = tmp_path / "log"
    log.write_text("I fine\nerror: creating server: no model twin\n")
    with pytest.raises(RuntimeError, match="no model twin"):
        module.wait(running, module.free_port(), log)


def test_the_python_backend_gets_its_program(tmp_path):
    backends = tmp_path / "server" / "backends"
    (backends / "python").mkdir(parents=True)
    assert module.with_stub(backends, tmp_path) == backends
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = tmp_path / "server" / "python_backend_stubs" / version / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.write_text("")
    assert (module.with_stub(backends, tmp_path) / "python" / stub.name).is_file()
    assert not (backends / "python" / stub.name).exists()  # the installation stays as it was
