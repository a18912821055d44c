"""What the build of the documentation does beyond its plugins."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.documents import ROOT


@pytest.fixture
def built(monkeypatch):
    """Return a function that imports a module of the build, as MkDocs does."""
    monkeypatch.syspath_prepend(ROOT / "docs/_build")

    def load(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def test_an_entry_for_several_attributes_becomes_one_for_each(built):
    told = """A ratio.

    Attributes:
        low, high: The interval; None
            where an end is open.
        note: Of one, two: both.
    """
    assert built("attributes").one_each(told.replace("\n    ", "\n")) == (
        "A ratio.\n\nAttributes:\n"
        "    low: The interval; None\n        where an end is open.\n"
        "    high: The interval; None\n        where an end is open.\n"
        "    note: Of one, two: both.\n"
    )
