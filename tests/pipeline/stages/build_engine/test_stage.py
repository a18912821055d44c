import json
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline import tensorrt_api
from pipeline.artifacts import open_folder, run_stage
from pipeline.builder.graph import read_graph
from pipeline.errors import (
    BadModelError,
    ClaimError,
    EnvironmentMissingError,
    FolderError,
    UsageError,
)
from pipeline.records.engine import EngineRecord, ShapeRange
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine import stage
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines, make_profiles
from tests.pipeline.builder import small
from tests.pipeline.records.made import exported_part, optimize_record, optimized_part

pytest.importorskip("tensorrt_rtx")


@pytest.fixture(autouse=True)
def own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def options(source, output, **more):
    more.setdefault("compute_capabilities", ("8.0", "12.0"))
    return BuildEngineOptions(Path(source), Path(output), **more)


def test_a_foreign_file_becomes_an_artifact(tmp_path):
    path = small.matmul(tmp_path / "m.onnx", "fp16", ("batch", 16))
    made = build_engines(options(path, tmp_path / "out"))
    assert made.stage == "build-engine.tensorrt-fp16"
    part = made.facts["parts"]["model"]
    assert part["file"] == "engine/model.tensorrt-fp16.sm80_sm120.plan"
    assert made.path(part["file"]).stat().st_size == part["plan_bytes"]
    assert part["profiles"] == [{"x": [[1, 16], [4, 16], [8, 16]]}]
    assert str(tmp_path) not in json.dumps(dict(made.facts))


CHANGES = {
    "nothing": ({}, True),
    "targets": ({"compute_capabilities": ("8.0",)}, False),
    "targets in another spelling": ({"compute_capabilities": ("sm120", "sm80")}, True),
    "dims": ({"dims": {"batch": (1, 2, 3)}}, False),
    "tf32": ({"tf32": True}, False),
    "time limit": ({"timeout_s": 99.0}, True),
    "backend by name": ({"backend": "tensorrt-rtx"}, True),
    "level": ({"builder_optimization_level": 2}, False),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    path = small.matmul(folder / "m.onnx", "fp16", ("batch", 16))
    build_engines(options(path, folder / "out"))
    return folder


@pytest.mark.parametrize("case", CHANGES)
def test_a_build_is_redone_when_and_only_when_it_must(case, built, tmp_path):
    """The same plan comes back, or a new one is made."""
    change, reused = CHANGES[case]
    shutil.copytree(built, tmp_path / "copy")
    again = options(tmp_path / "copy/m.onnx", tmp_path / "copy/out", **change)
    assert build_engines(again).reused == reused


@pytest.mark.parametrize("what", ["weights", "builder"])
def test_other_weights_or_another_builder_redo_it(what, built, tmp_path, monkeypatch):
    shutil.copytree(built, tmp_path / "copy")
    path = tmp_path / "copy/m.onnx"
    if what == "weights":
        model = onnx.load(path)
        w = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
        w[0, 0] += 1
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(w, "w"))
        onnx.save(model, path)
    else:
        monkeypatch.setattr(tensorrt_api, "wheel_version", lambda flavour: "99")
    assert not build_engines(options(path, tmp_path / "copy/out")).reused


def test_external_weights_count(tmp_path):
    path = tmp_path / "m.onnx"
    model = onnx.load(small.matmul(path, "fp16", ("batch", 16)))
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    wanted = options(path, tmp_path / "out")
    assert not build_engines(wanted).reused
    assert build_engines(wanted).reused
    data = tmp_path / "m.data"
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    assert not build_engines(wanted).reused


def test_one_file_in_one_plan_out(tmp_path):
    path = small.matmul(tmp_path / "m.onnx", "fp16")
    made = build_engines(options(path, tmp_path / "deep/x.plan"))
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["x.plan"]
    assert made.path(made.files[0].path).stat().st_size == made.files[0].bytes


def optimized(folder: Path, *variants: str, dims=None) -> None:
    """Write what export and optimize would leave."""
    for variant in variants:

        def produce(context, variant=variant):
            parts = {}
            for part in ("encoder", "decoder"):
                name = f"onnx/{part}.{variant}.onnx"
                dtype = variant.rpartition("-")[2]
                small.matmul(context.path(name), dtype, ("batch", 16))
                parts[part] = optimized_part(name, known=exported_part(dims=dims or {}))
            return optimize_record(parts)

        place = open_folder(folder, create=True)
        run_stage(place, f"optimize.{variant}", {}, {}, produce, OptimizeRecord)


def test_a_folder_gives_one_plan_per_part_in_the_precision_asked_for(tmp_path):
    dims = {"batch": SizeRange(2, 3, 5)}
    optimized(tmp_path / "d", "ort-cpu-fp32", "tensorrt-fp32", "tensorrt-fp16", dims=dims)
    made = build_engines(options(tmp_path / "d", tmp_path / "d", precision="fp16"))
    assert made.stage == "build-engine.tensorrt-fp16"
    assert set(made.facts["parts"]) == {"encoder", "decoder"}
    assert made.facts["parts"]["decoder"]["profiles"] == [{"x": [[2, 16], [3, 16], [5, 16]]}]
    assert set(made.parents) == {"graph"}
    assert build_engines(options(tmp_path / "d", tmp_path / "d")).stage.endswith("-fp32")


def test_a_folder_without_the_variant_says_what_to_do(tmp_path):
    optimized(tmp_path / "d", "ort-cpu-fp32")
    with pytest.raises(FolderError, match="no graph here was optimized for TensorRT"):
        build_engines(options(tmp_path / "d", tmp_path / "d"))
    optimized(tmp_path / "d", "tensorrt-fp32")
    with pytest.raises(FolderError, match="0 variants fit --precision bf16"):
        build_engines(options(tmp_path / "d", tmp_path / "d", precision="bf16"))


def test_bad_profiles_never_reach_the_builder(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "build_plan", None)
    path = small.matmul(tmp_path / "m.onnx", "fp16", ("batch", 16))
    bad = [
        ({"opt_shapes": {"x": (2, 17)}}, "axis 1 the value 17"),
        ({"opt_shapes": {"y": (2, 16)}}, "names the input 'y'"),
        ({"min_shapes": {"x": (4, 16)}, "max_shapes": {"x": (2, 16)}}, "must ascend|axis 0"),
        ({"dims": {"btach": (1, 2, 3)}}, "no input has such a dim"),
    ]
    for change, words in bad:
        with pytest.raises(UsageError, match=words):
            build_engines(options(path, tmp_path / "out", **change))
    with pytest.raises(UsageError, match=r"9\.0 Hopper"):
        build_engines(options(path, tmp_path / "out", compute_capabilities=("9.0",)))
    with pytest.raises(UsageError, match="no such file"):
        build_engines(options(tmp_path / "none.onnx", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_preflight_names_the_node_before_any_child_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "build_plan", None)
    path = small.attention(tmp_path / "m.onnx", softcap=30.0)
    with pytest.raises(BadModelError, match="soft-cap") as caught:
        build_engines(options(path, tmp_path / "out"))
    assert "node att" in caught.value.where
    assert not (tmp_path / "out").exists()


def test_full_tensorrt_without_a_driver_is_an_environment_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_api, "choose", lambda backend: "tensorrt")
    monkeypatch.setattr(tensorrt_api, "find_gpu", lambda: None)
    path = small.matmul(tmp_path / "m.onnx", "fp16")
    with pytest.raises(EnvironmentMissingError, match="no NVIDIA driver"):
        build_engines(options(path, tmp_path / "out"))


def test_fused_attention_can_be_required(tmp_path):
    fp32 = small.attention(tmp_path / "a.onnx", "fp32", q=("b", 2, 8, 16))
    with pytest.raises(ClaimError, match="1 of 1 attentions"):
        build_engines(options(fp32, tmp_path / "out", require_fused_attention=True))
    fp16 = small.attention(tmp_path / "b.onnx", "fp16", q=("b", 2, 8, 16))
    made = build_engines(options(fp16, tmp_path / "out", require_fused_attention=True))
    part = EngineRecord.of(made).parts["model"]
    assert (part.decomposable, part.attention[0].dedicated) == (False, True)
    softmax = h.make_node("Softmax", ["x"], ["y"], name="s")
    plain = small.save(tmp_path / "c.onnx", [softmax], {"x": (T.FLOAT16, (2, 8))}, {"y": T.FLOAT16})
    with pytest.raises(ClaimError, match="no attention operator"):
        build_engines(options(plain, tmp_path / "out", require_fused_attention=True))


def kv(path: Path) -> Path:
    """A past of growing keys: total = past + new."""
    nodes = [
        h.make_node("Concat", ["past", "new"], ["k"], axis=2, name="cat"),
        h.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2], name="turn"),
        h.make_node("MatMul", ["new", "kt"], ["s"], name="scores"),
        h.make_node("Add", ["s", "mask"], ["m"], name="add"),
        h.make_node("Softmax", ["m"], ["p"], name="softmax"),
        h.make_node("MatMul", ["p", "k"], ["y"], name="mix"),
    ]
    t = T.FLOAT16
    feeds = {
        "new": (t, ("b", 2, "seq", 16)),
        "past": (t, ("b", 2, "past", 16)),
        "mask": (t, ("b", 1, "seq", "total")),
    }
    return small.save(path, nodes, feeds, {"y": t})


def test_tied_dims_follow_and_lengths_decide(tmp_path):
    graph = read_graph(kv(tmp_path / "kv.onnx"))
    dims = {"past": (0, 7, 9), "seq": (1, 2, 3)}
    (profile,) = make_profiles(options("a", "b", dims=dims), graph, {})
    assert profile["mask"] == ShapeRange((1, 1, 1, 1), (4, 1, 2, 9), (8, 1, 3, 12))
    file = tmp_path / "lengths.json"
    file.write_text('{"seq": [1, 2, 2, 40], "b": [1, 2]}')
    wanted = options("a", "b", profile_from=file, profile_count=2)
    made = make_profiles(wanted, graph, {"past": SizeRange(0, 1, 1)})
    assert [p["new"].max for p in made] == [(2, 2, 2, 16), (2, 2, 40, 16)]
    file.write_text('{"typo": [1]}')
    with pytest.raises(UsageError, match="names typo"):
        make_profiles(wanted, graph, {})


def test_plans_of_one_graph_in_one_folder_are_the_same_bytes(tmp_path):
    path = small.matmul(tmp_path / "m.onnx", "fp16", ("batch", 16))
    one = build_engines(options(path, tmp_path / "a"))
    two = build_engines(options(path, tmp_path / "b"))
    assert one.files[0].sha256 == two.files[0].sha256
