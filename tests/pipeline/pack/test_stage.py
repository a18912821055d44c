"""The bundle as a file: the same bytes each time, and all that its runner imports."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError
from pipeline.pack.options import PackOptions
from pipeline.pack.stage import pack_folder
from tests.pipeline.artifacts.notes import Note
from tests.pipeline.pack.bundles import HOME, stage


def test_the_same_folder_gives_the_same_bytes(unpacked, tmp_path):
    folder, bundle, _here = unpacked
    again = pack_folder(PackOptions(folder, tmp_path / "b.tar", cases=2))
    assert again.path.read_bytes() == bundle.path.read_bytes()
    assert (bundle.cases, len(bundle.candidates)) == (2, 6)


def test_everything_a_bundle_imports_is_in_it(unpacked):
    """Of ours; of others numpy alone, and what a runtime or a type needs where it is used."""
    lib = unpacked[2] / "lib"
    others = set()
    for file in (unpacked[2] / "run.py", *lib.rglob("*.py")):
        for name in imported(ast.parse(file.read_text())):
            if name.partition(".")[0] != "pipeline":
                others.add(name.partition(".")[0])
                continue
            path = lib.joinpath(*name.split("."))
            assert path.with_suffix(".py").is_file() or path.is_dir(), f"{file.name} needs {name}"
    known = {*sys.stdlib_module_names, "numpy"}
    assert others - known == {"onnxruntime", "ml_dtypes"}


def imported(tree):
    """Return the modules that are imported where a bundle runs, not for type checkers alone."""
    found = set()
    for node in tree.body if isinstance(tree, ast.Module) else [tree]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                found |= {alias.name for alias in inner.names}
            elif isinstance(inner, ast.ImportFrom):
                found.add(inner.module or "")
    return found


def test_shipped_files_are_the_toolkits_own(unpacked):
    lib = unpacked[2] / "lib"
    shipped = {file.relative_to(lib) for file in lib.rglob("*.py")} - {Path("pipeline/__init__.py")}
    assert {Path("pipeline/ort") / file.name for file in (HOME / "pipeline/ort").glob("*.py")} < (
        shipped
    )
    for file in shipped:
        assert (lib / file).read_bytes() == (HOME / file).read_bytes()
    assert {file.suffix for file in lib.rglob("*") if file.is_file()} <= {".py", ".pyc"}


def test_a_folder_without_graphs_has_nothing_to_pack(tmp_path):
    run_stage(
        open_folder(tmp_path / "d", create=True), "strange", {}, {}, lambda context: Note(), Note
    )
    with pytest.raises(FolderError, match="nothing here to pack"):
        pack_folder(PackOptions(tmp_path / "d", tmp_path / "b.tar"))
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_a_bundle_names_the_artifacts_and_the_files_it_was_made_of(unpacked):
    folder, bundle, here = unpacked
    content = json.loads((here / "bundle.json").read_text())
    opened = open_folder(folder)
    assert content["artifacts"] == {name: opened.stage(name).digest for name in opened.stages()}
    assert set(content["files"]) <= {
        str(p.relative_to(here)) for p in here.rglob("*") if p.is_file()
    }
    assert bundle.size_bytes == bundle.path.stat().st_size
    assert [c["name"] for c in content["candidates"]] == list(bundle.candidates)


def test_a_low_precision_graph_alone_is_judged_by_the_export(tmp_path):
    stage(tmp_path / "d", "export", {"onnx/model.exported.onnx": {}})
    stage(
        tmp_path / "d", "optimize.tensorrt-fp16", {"onnx/model.tensorrt-fp16.onnx": {"low": True}}
    )
    options = PackOptions(
        tmp_path / "d", tmp_path / "deep/b.tar", cases=1, variants=("tensorrt-fp16",)
    )
    assert pack_folder(options).candidates == ("model.tensorrt-fp16",)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["b.tar"], "nothing is left behind"
