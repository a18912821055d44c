"""A whole graph in memory: fused, counted, equal."""

import numpy as np
import pytest

from pipeline.errors import BadModelError
from pipeline.fusion.plan import plan_for
from pipeline.records.optimize import SiteCounts
from pipeline.stages.optimize.engine import optimize_graph
from pipeline.stages.optimize.proof import Prover
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

TARGETS = ("onnx", "ort-cpu", "ort-cuda", "tensorrt")
MASKED = graphs.masked(
    "w = Where(m, zero, low) qk = MatMul(qh, kh) t = Mul(qk, half) s = Add(t, w)"
    " p = Softmax<axis=-1>(s)", "bool[B,1,1,T]",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_an_old_graph_is_raised_fused_and_stays_equal(target):
    model = model_of(MASKED, opset=18)
    feeds = feeds_of(model)
    before = numbers_of(model, feeds)[0]
    fused = optimize_graph(model, plan_for(target), Prover())
    assert fused.counts["attention"] == SiteCounts(fused=1, plain=0, refused=0)
    ops = {node.op_type for node in model.graph}
    assert "Softmax" not in ops
    assert ops & {"Attention", "MultiHeadAttention"}
    # float32: two products and a softmax
    atol = 2e-6 * np.abs(before).max()
    np.testing.assert_allclose(numbers_of(model, feeds)[0], before, rtol=0, atol=atol)


def test_optimizing_twice_changes_nothing_more():
    model = model_of(MASKED, opset=18)
    optimize_graph(model, plan_for("ort-cpu"), None)
    ops = sorted(node.op_type for node in model.graph)
    optimize_graph(model, plan_for("ort-cpu"), None)
    assert sorted(node.op_type for node in model.graph) == ops


def test_inputs_and_outputs_keep_names_and_dims():
    model = model_of(graphs.CACHED)
    before = [(v.name, str(v.shape)) for v in (*model.graph.inputs, *model.graph.outputs)]
    optimize_graph(model, plan_for("ort-cpu"), None)
    after = [(v.name, str(v.shape)) for v in (*model.graph.inputs, *model.graph.outputs)]
    assert after == before


def test_no_weight_is_kept_that_nothing_reads():
    model = model_of(MASKED, opset=18)
    optimize_graph(model, plan_for("ort-cpu"), None)
    assert all(any(True for _ in v.uses()) for v in model.graph.initializers.values())


def test_axes_of_one_leave_sizes_in_place():
    text = """(float[1,B,4,T,8] q, float[1,B,4,T,8] k, float[1,B,4,T,8] v, float[32,32] w)
        => (float[1,B,T,32] y) {
        half = Constant<value = float {0.3535534}>() back = Constant<value_ints=[0, 0, 0, 32]>()
        kt = Transpose<perm=[0, 1, 2, 4, 3]>(k) qk = MatMul(q, kt) s = Mul(qk, half)
        p = Softmax<axis=-1>(s) o = MatMul(p, v) ot = Transpose<perm=[0, 1, 3, 2, 4]>(o)
        r = Reshape(ot, back) y = MatMul(r, w) }"""
    model = model_of(text)
    feeds = feeds_of(model)
    before = numbers_of(model, feeds)[0]
    optimize_graph(model, plan_for("ort-cpu"), Prover())
    ops = [node.op_type for node in model.graph]
    assert "Attention" in ops
    assert "Shape" not in ops
    atol = 2e-5 * np.abs(before).max()  # float32: a product of width 32 after the attention
    np.testing.assert_allclose(numbers_of(model, feeds)[0], before, rtol=0, atol=atol)


def test_a_graph_that_no_input_can_run_is_refused_by_the_node():
    model = model_of("(float[B,4] x, float[3] u) => (float[B,4] y) { y = Add(x, u) }")
    model.graph[0].name = "residual"
    with pytest.raises(BadModelError, match="Add node residual: an axis of 4 meets an axis of 3"):
        optimize_graph(model, plan_for("ort-cpu"), None)


def test_nothing_is_computed_for_nobody():
    model = model_of(graphs.CACHED)
    optimize_graph(model, plan_for("ort-cpu"), None)
    for node in model.graph:
        assert any(v.is_graph_output() or any(True for _ in v.uses()) for v in node.outputs), node
