"""The fused site with which a build fails is found by cutting the graph off behind each."""

import itertools
from types import SimpleNamespace

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder import blame
from pipeline.builder.blame import Fault, failure_of, first_with, site_at_fault
from pipeline.builder.request import PlanRequest
from pipeline.errors import BuildError
from tests.pipeline.builder import small


def sites_of(count, inputs=()):
    return [SimpleNamespace(name=i, inputs=inputs) for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_first_site_it_fails_with_is_found(count):
    sites = sites_of(count)
    for bad in range(count):
        found = first_with(sites, lambda nodes, _, bad=bad: sites[bad] in nodes)
        assert found is sites[bad]


def test_what_fails_behind_all_sites_is_nobodys_fault():
    assert first_with(sites_of(3), lambda nodes, values: False) is None


def test_a_site_that_only_reads_what_fails_is_not_blamed():
    read = SimpleNamespace(producer=lambda: "a plain node")
    sites = sites_of(3, inputs=(read, None))
    assert first_with(sites, lambda nodes, values: len(nodes) > 1 or read in values) is None


def fused(path, bad=3):
    """A chain in float32 whose node `bad` is an attention that may not be taken apart."""
    names = [f"v{i}" for i in range(7)]
    nodes = [h.make_node("Relu", [a], [b], name=b) for a, b in itertools.pairwise(names)]
    if bad is not None:
        q = names[bad]
        nodes[bad] = h.make_node(
            "Attention", [q, "k", "k"], [names[bad + 1]], name="bad", scale=1.0
        )
    shape = (1, 2, 8, 16)
    small.save(path, nodes, {"v0": (T.FLOAT, shape), "k": (T.FLOAT, shape)}, {"v6": T.FLOAT})
    model = onnx.load(path)
    for index in (1, 3, 5):
        entry = model.graph.node[index].metadata_props.add()
        entry.key, entry.value = "pipeline.rule", f"fuse_{index}"
    onnx.save(model, path)
    return PlanRequest(
        "build", "tensorrt-rtx", path, path.with_suffix(".plan"), ("8.9",), decomposable=False
    )


@pytest.fixture
def builder():
    pytest.importorskip("tensorrt_rtx")


def test_a_real_builder_that_names_no_node(builder, tmp_path):
    wanted = fused(tmp_path / "m.onnx")
    cause = failure_of(wanted)
    assert "no dedicated kernel" in cause
    assert site_at_fault(wanted, cause) == Fault("bad", "bad", "fuse_3")
    assert site_at_fault(wanted, "another cause") is None
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_plain_node_at_fault_names_no_site(builder, tmp_path):
    wanted = fused(tmp_path / "m.onnx", bad=4)
    assert site_at_fault(wanted, failure_of(wanted)) is None


def test_graphs_without_fused_sites_are_not_searched(builder, tmp_path, monkeypatch):
    monkeypatch.setattr(blame, "failure_of", lambda *_: pytest.fail("asked"))
    path = small.matmul(tmp_path / "m.onnx")
    wanted = PlanRequest("build", "tensorrt-rtx", path, path.with_suffix(".plan"), ("8.9",))
    assert site_at_fault(wanted, "cause") is None


def test_a_search_that_takes_too_long_names_none(builder, tmp_path, monkeypatch):
    wanted = fused(tmp_path / "m.onnx")
    monkeypatch.setattr(blame, "LIMIT_S", 0.0)
    assert site_at_fault(wanted, "cause") is None


def test_an_error_of_the_build_names_the_site(builder, tmp_path):
    wanted = fused(tmp_path / "m.onnx")
    with pytest.raises(BuildError) as caught:
        small.build(wanted.onnx, ("8.9",), decomposable=False)
    assert "node bad" in caught.value.where
    assert "fuse_3" in caught.value.fix


def test_the_file_is_left_as_it_was(tmp_path):
    path = fused(tmp_path / "m.onnx").onnx
    before, model = path.read_bytes(), ir.load(path)
    node = model.graph.node(3)
    blame.cut_behind(ir.load(path), [node], [], tmp_path / "cut.onnx")
    assert path.read_bytes() == before
    cut = onnx.load(tmp_path / "cut.onnx").graph
    assert [n.name for n in cut.node] == ["v1", "v2", "v3", "bad"]
    assert [v.name for v in cut.output] == ["v4"]
