"""Which graphs and engines go into a bundle, and their files."""

from __future__ import annotations

import onnx
import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import FolderError
from pipeline.ort.settings import SessionSettings
from pipeline.pack.contents import files_of, find_candidates, require_listed
from pipeline.pack.options import PackOptions
from pipeline.pack.stage import pack_folder
from pipeline.records.bundle import PackedVariant
from tests.pipeline.pack.bundles import graph
from tests.pipeline.records.made import engine_part


def test_variants_can_be_chosen(unpacked, tmp_path):
    folder = unpacked[0]
    options = PackOptions(folder, tmp_path / "b.tar", cases=1, variants=("tensorrt-fp16",))
    assert pack_folder(options).candidates == ("model.tensorrt-fp16.engine", "model.tensorrt-fp16")
    with pytest.raises(FolderError, match="no variant nope"):
        find_candidates(open_folder(folder), ["nope"])
    found, _artifacts = find_candidates(open_folder(folder), ["exported"])
    assert files_of(folder, found[0]) == {"onnx/model.exported.onnx"}


def test_candidates_are_named_by_part_and_variant_with_what_running_them_needs(unpacked):
    found, artifacts = find_candidates(open_folder(unpacked[0]), ())
    assert [a.stage for a in artifacts] == list(open_folder(unpacked[0]).stages())
    told = {packed.name: packed for packed in found}
    exported, ours = told["model.exported"], told["model.ort-cpu-fp32"]
    assert (exported.target, exported.precision, exported.kind) == ("onnx", "fp32", "graph")
    assert (exported.session, ours.session.denormals) == (SessionSettings(), "flush")
    assert (ours.target, ours.precision, ours.part) == ("ort-cpu", "fp32", "model")
    engine, known = told["model.tensorrt-fp16.engine"], engine_part()
    assert (engine.kind, engine.target, engine.session) == ("engine", "tensorrt", None)
    assert (engine.flavour, engine.version) == (known.flavour, known.version)
    assert (engine.targets, engine.profiles) == (known.targets, known.profiles)


def test_weights_beside_a_graph_belong_to_it(tmp_path):
    (tmp_path / "onnx").mkdir()
    path = tmp_path / "onnx/m.onnx"
    graph(path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=0
    )
    told = {"name": "m", "part": "model", "target": "onnx", "precision": "fp32"}
    packed = PackedVariant(kind="graph", file="onnx/m.onnx", **told)
    assert files_of(tmp_path, packed) == {"onnx/m.onnx", "onnx/w.data"}
    plan = PackedVariant(kind="engine", file="engine/m.plan", **told)
    assert files_of(tmp_path, plan) == {"engine/m.plan"}


@pytest.mark.parametrize(
    "name", ["onnx/other.onnx", "manifest/export.json", "../outside.onnx"], ids=range(3)
)
def test_what_no_artifact_lists_is_not_packed(unpacked, name):
    _found, artifacts = find_candidates(open_folder(unpacked[0]), ())
    require_listed(unpacked[0], ["onnx/model.exported.onnx"], artifacts)
    with pytest.raises(FolderError, match="is not packed"):
        require_listed(unpacked[0], [name], artifacts)
