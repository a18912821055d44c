"""What the build of the documentation does beyond its plugins."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

import pipeline
from pipeline import errors
from tests.documents import ROOT
from tests.test_docs import table

# Where an error is made of words that are none of ours, or are listed in another way.
WORDS_OF_OTHERS = {
    "pipeline/artifacts/folder.py folder_errors": "of the operating system",
    "pipeline/parity/files.py _all_ran": "of the error that kept a candidate from running",
    "pipeline/perf/bench.py measure_files": "of the error that kept a contender from running",
    "pipeline/builder/preflight.py refuse": "listed as Finding",
    "pipeline/stages/export/core.py _final": "of several exporters, one after the other",
    "pipeline/stages/export/load.py _preset": "listed as ModelError",
    "pipeline/stages/export/load.py save": "listed as ModelError",
    "pipeline/stages/runners/tensorrt_runner.py __init__": "listed as EngineError",
    "pipeline/stages/runners/tensorrt_runner.py prepare": "listed as EngineError",
    "pipeline/stages/runners/tensorrt_runner.py run_resident": "listed as EngineError",
    "pipeline/tasks/source.py sentences": "listed as ModelError",
}


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


@pytest.fixture
def messages(built):
    """Return the messages as the site lists them."""
    return built("messages").Messages((ROOT / "pipeline", ROOT / "models"))


def test_every_error_is_made_of_a_sentence_that_is_listed(messages):
    assert set(messages.unread) == WORDS_OF_OTHERS.keys()


def test_every_kind_of_message_has_its_place_on_the_page(messages):
    page = (ROOT / "docs/reference/messages.md").read_text(encoding="utf-8")
    assert {one.error for one in messages.all} == set(re.findall("<!-- messages: (.*) -->", page))


@pytest.mark.parametrize(
    "raises",
    [
        lambda: pipeline.ExportOptions("bert-tiny", "out", opset=99),
        lambda: pipeline.export_model(pipeline.ExportOptions("bert-tniy", "out")),
        lambda: pipeline.open_folder("nothing-here"),
        lambda: pipeline.optimize_model(pipeline.OptimizeOptions("absent.onnx", "fused.onnx")),
        lambda: pipeline.OptimizeOptions("model.onnx", require={"attention": -1}),
        lambda: pipeline.OptimizeOptions("model.onnx", target="tensorrtx"),
        lambda: pipeline.OptimizeOptions("model.onnx", fuse_all=3),
        lambda: pipeline.PackOptions("out", "bundle.zip"),
    ],
)
def test_what_is_raised_is_listed(messages, raises, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pipeline.PipelineError) as caught:
        raises()
    error = type(caught.value).__name__
    listed = [one.what for one in messages.all if one.error == error]
    pattern = "|".join(re.sub(r"'?\\\{.*?\\\}'?", ".*", re.escape(what)) for what in listed)
    assert re.fullmatch(pattern, caught.value.what), caught.value.what


def test_a_sentence_is_followed_to_where_it_is_written(built, tmp_path):
    (tmp_path / "errors.py").write_text("class PipelineError(Exception): ...\n")
    (tmp_path / "part.py").write_text(
        "def _bad(how, fix=''):\n    return PipelineError(f'{name}: {how}', fix=fix)\n"
        "def check(path, sizes):\n"
        "    raise _bad(f'{path!r} has {len(sizes)} axes', fix='give two')\n"
        "def other(error):\n    raise PipelineError(str(error))\n"
    )
    found = built("messages").Messages((tmp_path,))
    assert [(one.unit, one.what, one.fix) for one in found.all] == [
        ("part", "{name}: '{path}' has {sizes} axes", "give two")
    ]
    assert found.unread == [f"{tmp_path.name}/part.py other"]


def test_the_table_of_kinds_has_every_error_with_its_exit_code():
    told = {name.strip("`"): int(code) for name, code, *_ in table("errors.md", "| class |")}
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    kinds = [one for one in classes if issubclass(one, errors.PipelineError)]
    assert told == {one.__name__: one.exit_code for one in kinds}
    rows = table("reference/exit-codes.md", "| code |")
    named = {(n, int(code)) for code, _, raised in rows for n in re.findall(r"`(\w+)`", raised)}
    assert named - {("PipelineError", 70)} == {*told.items()} - {("PipelineError", 2)}


def test_messages_that_the_page_of_errors_explains_are_ones_we_have(messages):
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| message \|.*\n\|.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    told = [re.match(r"\| `(.*?)` \|", row)[1] for part in tables for row in part.splitlines()]
    assert len(told) > 30
    assert set(told) <= {one.what for one in messages.all}
