"""Which graphs and engines go into a bundle, and their files."""

from __future__ import annotations

import onnx
import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import FolderError
from pipeline.pack.contents import Packed, files_of, find_candidates
from pipeline.pack.options import PackOptions
from pipeline.pack.stage import pack_folder
from tests.pipeline.pack.bundles import graph


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
    told = {packed.name: packed.to_json() for packed in found}
    exported, ours = told["model.exported"], told["model.ort-cpu-fp32"]
    assert (exported["target"], exported["precision"], exported["kind"]) == (
        "onnx",
        "fp32",
        "graph",
    )
    assert (ours["target"], ours["precision"], ours["part"]) == ("ort-cpu", "fp32", "model")
    assert ours["session"]["denormals"] == "flush"
    engine = told["model.tensorrt-fp16.engine"]
    assert (engine["kind"], engine["target"]) == ("engine", "tensorrt")
    assert {"flavour", "version", "targets", "profiles"} <= engine.keys()


def test_weights_beside_a_graph_belong_to_it(tmp_path):
    (tmp_path / "onnx").mkdir()
    path = tmp_path / "onnx/m.onnx"
    graph(path)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=0
    )
    packed = Packed("m", "model", "graph", "onnx/m.onnx", "onnx", "fp32")
    assert files_of(tmp_path, packed) == {"onnx/m.onnx", "onnx/w.data"}
    plan = Packed("m", "model", "engine", "engine/m.plan", "tensorrt", "fp16")
    assert files_of(tmp_path, plan) == {"engine/m.plan"}
