import itertools

import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder import preflight
from pipeline.builder.blame import failure_of
from pipeline.builder.request import PlanRequest
from pipeline.errors import BadModelError, BuildError
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.reduce import check, reduce_failure
from pipeline.stages.build_engine.stage import build_engines
from pipeline.types import SILENT
from tests.pipeline.builder import small

pytest.importorskip("tensorrt_rtx")
pytest.importorskip("polygraphy")
pytest.importorskip("onnx_graphsurgeon")


def long_graph(path, bad=True):
    """Twelve harmless nodes around one the parser refuses."""
    t, names = T.FLOAT16, [f"v{i}" for i in range(13)]
    nodes = [h.make_node("Relu", [a], [b], name=b) for a, b in itertools.pairwise(names)]
    if bad:
        nodes[6] = h.make_node(
            "Attention", ["v6", "v6", "v6"], ["v7"], name="bad", softcap=3.0, scale=1.0
        )
    return small.save(path, nodes, {"v0": (t, (1, 2, 8, 16))}, {"v12": t})


def request(tmp_path, bad=True):
    path = long_graph(tmp_path / "m.onnx", bad)
    return PlanRequest("build", "tensorrt-rtx", path, tmp_path / "m.plan", ("8.0",))


def test_the_cause_is_compared(tmp_path, monkeypatch):
    wanted = request(tmp_path)
    (tmp_path / "request.json").write_text(wanted.to_json())
    (tmp_path / "cause.txt").write_text(failure_of(wanted))
    monkeypatch.chdir(tmp_path)
    long_graph(tmp_path / "polygraphy_debug.onnx")
    assert check(tmp_path) == 1
    long_graph(tmp_path / "polygraphy_debug.onnx", bad=False)
    assert check(tmp_path) == 0


def test_what_builds_cannot_be_reduced(tmp_path):
    with pytest.raises(BuildError, match="nothing to reduce"):
        reduce_failure(request(tmp_path, bad=False), tmp_path / "r.onnx", tmp_path, SILENT)


@pytest.mark.slow
def test_the_smaller_graph_still_holds_the_culprit(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "refuse", lambda findings, where: None)
    path = long_graph(tmp_path / "m.onnx")
    options = BuildEngineOptions(
        path, tmp_path / "m.plan", compute_capabilities=("8.0",), reduce=tmp_path / "small.onnx"
    )
    with pytest.raises(BadModelError) as caught:
        build_engines(options)
    assert "small.onnx is a smaller graph" in caught.value.fix
    nodes = onnx.load(tmp_path / "small.onnx").graph.node
    assert "Attention" in [n.op_type for n in nodes]
    assert len(nodes) < 12
