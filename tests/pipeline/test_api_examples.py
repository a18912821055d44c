"""Every public name has an example in its docstring, and the examples run.

All of them run in one folder that holds what they name: a graph (`model.onnx`), what it is fused to
(`fused.onnx`), an artifact (`out`) and small artifacts for text.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import warnings

import onnx
import pytest

import pipeline
from pipeline import api
from tests.pipeline.tasks.folders import folder_for

# artifact -> what it is in tests/pipeline/tasks/folders.py
TEXT = {
    "storyteller": "generate",
    "encoder": "embed",
    "classifier": "classify",
    "reranker": "rerank",
    "word-guesser": "fill-mask",
}
# name -> the library its example cannot run without
NEEDS = dict.fromkeys(("build_engines", "EngineRecord"), "tensorrt_rtx")


def examples_of(name):
    """Return the examples of a public name and of its public methods."""
    value = getattr(api, name)
    finder = doctest.DocTestFinder(recurse=isinstance(value, type), exclude_empty=True)
    found = finder.find(value, f"pipeline.{name}", module=False, globs={})
    return [test for test in found if test.examples]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make what the examples name, once for all of them."""
    root = tmp_path_factory.mktemp("examples")
    made = pipeline.export_model(pipeline.ExportOptions("bert-tiny", root / "out"))
    onnx.save(onnx.load(made.path("onnx/model.exported.onnx")), root / "model.onnx")
    pipeline.optimize_model(pipeline.OptimizeOptions(root / "out"))
    pipeline.optimize_model(pipeline.OptimizeOptions(root / "model.onnx", root / "fused.onnx"))
    pipeline.export_model(pipeline.ExportOptions("zh-en", root / "translator"))
    for name, kind in TEXT.items():
        folder_for(kind, root).rename(root / name)
    return root


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_has_an_example(name):
    assert any(test.name == f"pipeline.{name}" for test in examples_of(name)), name


def test_the_examples_run(folder):
    said = io.StringIO()
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=options)
    for name in api.__all__:
        if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
            continue
        for test in examples_of(name):
            with contextlib.chdir(folder), warnings.catch_warnings():
                runner.run(test, out=said.write)
    assert runner.summarize(verbose=False).failed == 0, said.getvalue()
