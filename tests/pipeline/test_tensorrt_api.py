"""The bindings: chosen by what is installed, and every name we use exists in 10, 11 and RTX."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import tensorrt_api as api
from pipeline.errors import EnvironmentMissingError, UsageError

ROOT = Path(__file__).resolve().parents[2]
RECORDED = json.loads((Path(__file__).parent / "bindings.json").read_text())
"""The names of each release's classes, read from its bindings by `dir`."""


@pytest.mark.parametrize("release", RECORDED)
def test_every_name_used_exists_in(release):
    found = RECORDED[release]
    for owner, names in api.USED.items():
        lacking = set(names) - set(found[owner])
        assert not lacking, f"{release}: {owner or 'the module'} lacks {sorted(lacking)}"


def test_optional_names_exist_somewhere():
    for owner, names in api.OPTIONAL.items():
        known = {n for found in RECORDED.values() for n in found.get(owner, ())}
        assert set(names) <= known, owner


HOLDERS = {
    "trt": "",
    "builder": "Builder",
    "config": "IBuilderConfig",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "attention": "IAttention",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "runtime_config": "IRuntimeConfig",
    "kernels": "IRuntimeCache",
}
"""What our code calls an object of each class."""
SOURCES = [
    *(ROOT / "pipeline/builder").glob("*.py"),
    *(ROOT / "pipeline/runners").glob("tensorrt*.py"),
]
LANGUAGE = {"__version__", "Logger", "__class__", "__init__"}


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if "trt" in p.read_text()], ids=lambda p: p.name
)
def test_no_name_is_used_that_the_list_lacks(path):
    """An attribute of a binding's object that is in neither list would break unseen."""
    allowed = {
        name: set(api.USED.get(owner, ())) | set(api.OPTIONAL.get(owner, ())) | LANGUAGE
        for name, owner in HOLDERS.items()
    }
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        holder = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        if holder in allowed and isinstance(node.ctx, ast.Load):
            assert node.attr in allowed[holder], f"{path.name}: {holder}.{node.attr}"


def test_the_flavour_is_chosen_by_what_is_there(monkeypatch):
    monkeypatch.setattr(api, "find_gpu", lambda: None)
    monkeypatch.setattr(api, "installed", lambda: ("tensorrt", "tensorrt-rtx"))
    assert api.choose("auto") == "tensorrt-rtx"
    assert api.choose("tensorrt") == "tensorrt"
    monkeypatch.setattr(api, "find_gpu", lambda: api.Gpu("x", "8.0", "13.0"))
    assert api.choose("auto") == "tensorrt"
    monkeypatch.setattr(api, "installed", lambda: ("tensorrt-rtx",))
    assert api.choose("auto") == "tensorrt-rtx"
    with pytest.raises(EnvironmentMissingError, match="bindings of tensorrt are not installed"):
        api.choose("tensorrt")
    monkeypatch.setattr(api, "installed", lambda: ())
    with pytest.raises(EnvironmentMissingError):
        api.choose("auto")
    with pytest.raises(UsageError):
        api.choose("cuda")


def test_old_bindings_are_refused_by_name(monkeypatch):
    old = SimpleNamespace(__version__="8.6")
    monkeypatch.setattr(api.importlib, "import_module", lambda name: old)
    with pytest.raises(EnvironmentMissingError, match=r"8\.6 lacks Builder"):
        api.load("tensorrt")


def test_what_is_installed_here_has_every_name():
    pytest.importorskip("tensorrt_rtx")
    assert api.missing(api.load("tensorrt-rtx")) == ()
    assert api.wheel_version("tensorrt-rtx")


def test_no_driver_is_no_gpu(monkeypatch):
    def fail(name):
        raise OSError(name)

    monkeypatch.setattr(api.ctypes, "CDLL", fail)
    assert api.find_gpu() is None
