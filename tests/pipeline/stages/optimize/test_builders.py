"""Which builder is asked: none, the one that needs no GPU, or an error that says the remedy."""

import pytest

from pipeline import tensorrt_api
from pipeline.errors import EnvironmentMissingError
from pipeline.stages.optimize.builders import builder_flavour, builder_name


def test_nobody_is_asked_unless_told():
    assert builder_flavour("no") is None
    assert builder_name("no") == ""


def test_small_graphs_are_tried_only_where_a_builder_needs_no_gpu(monkeypatch):
    monkeypatch.setattr(tensorrt_api, "installed", lambda: ("tensorrt-rtx",))
    assert builder_flavour("small") == "tensorrt-rtx"
    monkeypatch.setattr(tensorrt_api, "installed", tuple)
    assert builder_flavour("small") is None
    with pytest.raises(EnvironmentMissingError, match="no TensorRT bindings are installed"):
        builder_flavour("yes")


def test_the_recipe_holds_the_version(monkeypatch):
    monkeypatch.setattr(tensorrt_api, "installed", lambda: ("tensorrt-rtx",))
    monkeypatch.setattr(tensorrt_api, "wheel_version", lambda flavour: "9.9")
    assert builder_name("yes") == "tensorrt-rtx 9.9"
