"""Doctor: every inability comes with its way out, and is found by trying."""

from __future__ import annotations

import importlib
import json

import pytest

from pipeline import doctor
from pipeline.cli.app import run
from pipeline.errors import EnvironmentMissingError
from pipeline.tensorrt_api import Gpu

GPU = Gpu("GeForce", "8.9", "13.0")


def ability(name, gpu=None):
    found = doctor.examine()
    return next(item for item in found.abilities if name in item.name)


def test_whatever_is_lacking_has_a_fix():
    for item in doctor.examine().abilities:
        assert item.detail
        assert item.able != bool(item.fix)


def test_json_and_text_name_the_same_abilities(capsys):
    assert run(["doctor", "--json"]) == 0
    names = [item["name"] for item in json.loads(capsys.readouterr().out)["abilities"]]
    assert run(["doctor"]) == 0
    text = capsys.readouterr().out
    assert names
    assert all(name in text for name in names)


def test_without_a_gpu_engines_do_not_run(monkeypatch):
    monkeypatch.setattr(doctor, "find_gpu", lambda: None)
    item = ability("run engines")
    assert not item.able
    assert "pipeline pack" in item.fix


def test_with_a_gpu_and_bindings_engines_run(monkeypatch):
    monkeypatch.setattr(doctor, "find_gpu", lambda: GPU)
    monkeypatch.setattr(doctor, "load", lambda flavour: None)
    monkeypatch.setattr(doctor, "wheel_version", lambda flavour: "11.4")
    assert ability("run engines").able
    assert "11.4 on GeForce" in ability("build TensorRT engines").detail


def test_bindings_that_do_not_load_are_told_with_their_reason(monkeypatch):
    def broken(flavour):
        raise EnvironmentMissingError(f"{flavour} lacks libfoo.so")

    monkeypatch.setattr(doctor, "load", broken)
    item = ability("TensorRT-RTX")
    assert not item.able
    assert item.detail == "tensorrt-rtx lacks libfoo.so"
    assert "tensorrt-rtx-cu13" in item.fix


def test_a_runtime_that_does_not_load_is_told(monkeypatch):
    real = importlib.import_module

    def missing(name):
        if name == "onnxruntime":
            raise ImportError("libonnx.so is missing")
        return real(name)

    monkeypatch.setattr(doctor.importlib, "import_module", missing)
    item = ability("on the CPU")
    assert not item.able
    assert "libonnx.so" in item.detail


@pytest.mark.parametrize("version", ["2.10.0", "2.14.0"])
def test_a_torch_outside_the_range_is_named(monkeypatch, version):
    libraries = [
        lib if lib.name != "torch" else lib.__class__(lib.name, "", "", version, lib.wanted)
        for lib in doctor.libraries()
    ]
    monkeypatch.setattr(doctor, "libraries", lambda: tuple(libraries))
    item = ability("export")
    assert not item.able
    assert version in item.detail
    assert item.fix.startswith("pip install 'torch")


def test_a_notebook_shows_the_same(monkeypatch):
    monkeypatch.setattr(doctor, "find_gpu", lambda: None)
    found = doctor.examine()
    (grid,) = found.grids()
    assert grid.title.endswith(", no GPU")
    assert [row[1] for row in grid.rows] == [item.name for item in found.abilities]
    assert {row[0] for row in grid.rows} <= {"yes", "no"}
    assert "<table>" in found._repr_html_()
