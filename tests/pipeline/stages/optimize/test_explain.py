"""Explaining writes nothing and says for every site what happened."""

import onnx_ir as ir
import pytest

from pipeline.stages.optimize.explain import explain_model, list_lowerings
from pipeline.stages.optimize.options import ExplainOptions
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of


def explained(tmp_path, text):
    path = tmp_path / "model.onnx"
    ir.save(model_of(text), path)
    before = sorted(p.name for p in tmp_path.iterdir())
    found = explain_model(ExplainOptions(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    (site,) = [s for s in found.sites() if s.construct == "attention"]
    return site


def test_a_fused_site_names_its_lowering_and_proof(tmp_path):
    site = explained(tmp_path, graphs.attention())
    assert site.state == "fused"
    assert site.lowering == "fuse_attention_standard"
    assert site.proof.error <= site.proof.allowed


def test_a_refused_site_says_how_far_it_came_and_what_broke(tmp_path):
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Relu(t) p = Softmax<axis=-1>(s)"
    refusal = explained(tmp_path, graphs.attention(core)).refusal
    assert (refusal.step, refusal.steps) == (1, 5)
    assert "Relu" in refusal.reason
    assert refusal.node.startswith("Relu")


def test_the_list_gives_source_and_exactness():
    rows = list_lowerings("tensorrt")
    assert all(row.source and row.exact and row.construct for row in rows)
    assert "fuse_attention_tensorrt" in {row.name for row in rows}


def test_what_the_builder_says_is_told_too(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    path = tmp_path / "model.onnx"
    ir.save(model_of(graphs.attention(), opset=18), path)
    found = explain_model(ExplainOptions(path, target="tensorrt", check_build="yes"))
    assert found.parts["model"].build.reason == ""
    assert found.parts["model"].build.trials == 1
    assert explain_model(ExplainOptions(path, target="tensorrt")).parts["model"].build is None
