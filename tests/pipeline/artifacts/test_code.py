"""Which sources and libraries count as a stage's code."""

from __future__ import annotations

import textwrap

import pytest

from pipeline.artifacts import code


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three packages: alpha imports beta and numpy; gamma stands alone."""
    files = {
        "pipeline/__init__.py": "",
        "pipeline/types.py": "X = 1\n",
        "pipeline/alpha/__init__.py": "",
        "pipeline/alpha/stage.py": """
            from pipeline.beta.work import go
            def f():
                import numpy as np
                from pipeline import types  # local
            """,
        "pipeline/beta/__init__.py": "",
        "pipeline/beta/work.py": """
            import importlib
            importlib.import_module("onnx_ir")
            import json
            """,
        "pipeline/beta/table.json": "{}",
        "pipeline/gamma/__init__.py": "import torch\n",
        "models/bert.py": "import torch\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setattr(code, "_HOME", tmp_path)
    code._unit_facts.cache_clear()
    yield tmp_path
    code._unit_facts.cache_clear()


def ingredients(module="pipeline.alpha.stage"):
    code._unit_facts.cache_clear()
    return code.code_ingredients(module)


def test_packages_and_libraries_are_found_through_imports(project):
    found = ingredients()
    assert [name for name in found if name.startswith("code ")] == [
        "code pipeline.alpha",
        "code pipeline.beta",
        "code pipeline.types",
    ]
    libraries = {name for name in found if name.startswith("library ")}
    assert libraries == {"library python", "library numpy", "library onnx-ir"} | {
        name for name in libraries if "transformer-pipeline" in name
    }


@pytest.mark.parametrize(
    "file", ["pipeline/alpha/stage.py", "pipeline/beta/work.py", "pipeline/beta/table.json"]
)
def test_a_file_that_can_matter_changes_the_ingredients(project, file):
    before = ingredients()
    (project / file).write_text((project / file).read_text() + "\n# changed\n")
    assert ingredients() != before


@pytest.mark.parametrize("file", ["pipeline/gamma/__init__.py", "models/bert.py"])
def test_a_file_that_cannot_matter_changes_nothing(project, file):
    before = ingredients()
    (project / file).write_text("# changed\n")
    assert ingredients() == before


def test_a_new_file_counts_and_compiled_code_does_not(project):
    before = ingredients()
    cache = project / "pipeline/alpha/__pycache__/stage.pyc"
    cache.parent.mkdir()
    cache.write_text("x")
    assert ingredients() == before
    (project / "pipeline/alpha/more.py").write_text("")
    assert ingredients() != before


def test_models_count_where_they_are_imported(project):
    (project / "pipeline/alpha/__init__.py").write_text("from models.bert import Bert\n")
    assert {"code models", "library torch"} <= ingredients().keys()


def test_a_library_that_is_not_installed_is_absent(project):
    (project / "pipeline/alpha/__init__.py").write_text("import no_such_library\n")
    assert ingredients()["library no_such_library"] == "absent"


def test_a_library_version_is_looked_up(project, monkeypatch):
    code._version.cache_clear()
    monkeypatch.setattr(code.importlib.metadata, "version", lambda name: "9.9")
    assert ingredients()["library numpy"] == "9.9"
    code._version.cache_clear()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import pipeline.stages.export.stage", {"pipeline.stages.export"}),
        ("from pipeline import (errors,\n    types as t)", {"pipeline.errors", "pipeline.types"}),
        ("from models import bert", {"models"}),
        ("    from torch.onnx import export", {"torch"}),
        ("import os, sys", set()),
        ("from . import x", set()),
    ],
)
def test_imports_are_read(source, expected):
    assert code._imports(source) - {""} == expected
