"""The package's front door: every name opens, none hides a module or is hidden by one."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pkgutil

import pytest

import pipeline
from pipeline import api


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_is_found_and_hides_no_module(name):
    assert callable(getattr(pipeline, name))
    assert importlib.util.find_spec(f"pipeline.{name}") is None
    assert importlib.util.find_spec(f"pipeline.api.{name}") is None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = pipeline.nonsense


def test_the_lists_agree():
    assert pipeline.__all__ == ["__version__", *api.__all__]
    assert dir(pipeline) == sorted(pipeline.__all__)


def test_names_stay_what_they_are_when_every_module_has_been_imported():
    """A module called as a function would replace it: Python sets it on the package."""
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        with contextlib.suppress(ModuleNotFoundError):  # a runtime that is an extra
            importlib.import_module(module.name)
    for name in api.__all__:
        assert not isinstance(getattr(pipeline, name), type(pipeline)), name
        assert getattr(pipeline, name) is getattr(api, name), name
