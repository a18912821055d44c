"""The bundle as a file: the same bytes each time, and all that its runner imports."""

from __future__ import annotations

import ast
import errno
import json
import shutil
import sys
import tarfile
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


def test_every_file_but_the_index_is_known_by_its_digest(unpacked):
    here = unpacked[2]
    content = json.loads((here / "bundle.json").read_text())
    inside = {p.relative_to(here).as_posix() for p in here.rglob("*") if p.is_file()}
    left_out = {name for name in inside - set(content["files"]) if not name.endswith(".pyc")}
    assert left_out <= {"bundle.json", "results.json"}
    assert "cases/model-0.inputs.npz" in content["files"]


def test_a_link_out_of_the_folder_is_not_packed(unpacked, tmp_path):
    folder = shutil.copytree(unpacked[0], tmp_path / "d")
    graph = folder / "onnx/model.exported.onnx"
    graph.rename(tmp_path / "outside.onnx")
    graph.symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(FolderError, match="leads out of the folder"):
        pack_folder(PackOptions(folder, tmp_path / "b.tar", cases=1))
    assert not (tmp_path / "b.tar").exists()


def test_a_full_disk_is_said_and_leaves_nothing(unpacked, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "add", full)
    with pytest.raises(FolderError, match="No space left") as caught:
        pack_folder(PackOptions(unpacked[0], tmp_path / "new/b.tar", cases=1))
    assert "free space" in caught.value.fix
    assert not [*(tmp_path / "new").iterdir()]


def test_a_place_that_is_no_folder(unpacked, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"exists|Not a directory"):
        pack_folder(PackOptions(unpacked[0], tmp_path / "file/b.tar"))
