"""The package's front door: every name opens, none hides a module."""

from __future__ import annotations

import importlib.util

import pytest

import pipeline


@pytest.mark.parametrize("name", [n for n in pipeline.__all__ if n != "__version__"])
def test_every_name_is_found_and_hides_no_module(name):
    assert callable(getattr(pipeline, name))
    assert importlib.util.find_spec(f"pipeline.{name}") is None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = pipeline.nonsense


def test_the_lists_agree():
    assert set(pipeline.__all__) == {*pipeline._HOMES, "__version__"}
