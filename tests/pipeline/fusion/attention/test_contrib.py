"""Attention operators of com.microsoft are counted where they stay."""

import pytest

from pipeline.fusion.attention.contrib import find_contrib_attention
from pipeline.fusion.plan import plan_for
from pipeline.stages.optimize.engine import optimize_graph
from tests.pipeline.text_graphs import found_in, model_of, only_site

TEXT = """(float[B,S,8] q, float[B,T,8] k, float[B,T,8] v) => (float[B,S,8] y) {
    y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v) }"""


def test_the_operator_and_its_heads_are_named():
    site = only_site(TEXT, find_contrib_attention)
    assert (site.form, site.native) == ("MultiHeadAttention, 2 heads", True)


def test_the_standard_operator_is_not_meant():
    standard = TEXT.replace("com.microsoft.MultiHeadAttention<num_heads=2>",
                            "Attention<q_num_heads=2, kv_num_heads=2>")  # fmt: skip
    assert found_in(standard, find_contrib_attention) == []


@pytest.mark.parametrize(
    ("target", "operator", "lowering"),
    [
        ("ort-cpu", "MultiHeadAttention", "native"),
        ("ort-cuda", "MultiHeadAttention", "native"),
        ("tensorrt", "Attention", "fuse_attention_tensorrt"),
        ("onnx", "Attention", "fuse_attention_standard"),
    ],
)
def test_it_is_kept_where_it_runs_and_lowered_anew_elsewhere(target, operator, lowering):
    model = model_of(TEXT)
    fused = optimize_graph(model, plan_for(target), None)
    (outcome,) = [o for o in fused.outcomes if o.construct == "attention"]
    assert (outcome.state, outcome.lowering) == ("fused", lowering)
    assert operator in {node.op_type for node in model.graph}


RICH = """(float[B,S,8] q, float[B,T,8] k, float[B,T,8] v, bool[B,1,S,T] m) => (float[B,S,8] y) {
    y = Attention<q_num_heads=2, kv_num_heads=2, softcap=2.0>(q, k, v, m) }"""


def test_the_standard_operator_stays_one_node_for_standard_onnx():
    model = model_of(RICH)
    fused = optimize_graph(model, plan_for("onnx"), None)
    assert [node.op_type for node in model.graph] == ["Attention"]
    assert [(o.state, o.lowering) for o in fused.outcomes] == [("fused", "native")]


@pytest.mark.parametrize("target", ["tensorrt", "ort-cpu"])
def test_a_soft_cap_is_written_out_where_the_operator_is_missing_or_slow(target):
    model = model_of(RICH)
    optimize_graph(model, plan_for(target), None)
    kinds = {node.op_type for node in model.graph}
    assert {"Tanh", "Softmax"} <= kinds
    assert "Attention" not in kinds


def test_a_soft_cap_stays_one_operator_where_that_is_asked_for():
    model = model_of(RICH)
    optimize_graph(model, plan_for("ort-cpu", fuse_all=True), None)
    assert "Attention" in {node.op_type for node in model.graph}
