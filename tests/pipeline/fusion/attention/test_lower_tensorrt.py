"""Attention in the one form TensorRT's parser and builder take."""

import onnx_ir as ir
import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_tensorrt import FuseAttentionTensorrt
from pipeline.fusion.construct import Pass
from pipeline.fusion.plan import plan_for
from pipeline.graph.inference.facts import Facts
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines
from pipeline.stages.optimize.engine import optimize_graph
from pipeline.stages.optimize.proof import Prover
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import assert_same_numbers, model_of, rewritten

TOLERANCE = 2e-6  # float32: two products of length 8 to 24 and a softmax
FUSE = FuseAttentionTensorrt()
FORMS = {
    "heads": graphs.attention(),
    "grouped": graphs.GROUPED,
    "folded": graphs.FOLDED,
    "sink": graphs.SINK,
    "two values": graphs.TWO_VALUES,
    "sink and cache": graphs.CACHED_SINK,
    "heads last": graphs.HEADS_LAST,
    "cache": graphs.CACHED,
}


def values_of(size):
    return graphs.EINSUM.replace("T,4,8] v", f"T,4,{size}] v").replace(
        "(float[B,S,4,8] y)", f"(float[B,S,4,{size}] y)"
    )


FORMS |= {"wide values": values_of(16), "narrow values": values_of(6)}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_numbers_stay(text):
    assert_same_numbers(text, find_attention, FUSE, rtol=TOLERANCE)


@pytest.mark.parametrize(("size", "after"), [(16, "Transpose"), (6, "Slice")])
def test_what_is_narrower_is_padded(size, after):
    model = rewritten(values_of(size), find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    padded = [value.producer().op_type == "Pad" for value in node.inputs[1:3]]
    assert padded == [size > 8, size < 8]
    assert [user.op_type for user in node.outputs[0].consumers()] == [after]


def test_each_attention_scales_its_own_queries():
    (node,) = [n for n in rewritten(graphs.attention(), find_attention, FUSE).graph
               if n.op_type == "Attention"]  # fmt: skip
    assert node.attributes["scale"].as_float() == 1.0
    assert node.inputs[0].producer().op_type == "Mul"


def test_the_past_stays_outside_and_grouped_heads_inside():
    model = rewritten(FORMS["cache"], find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert len(node.outputs) == 1
    assert node.inputs[1].name == "nk"
    grouped = rewritten(graphs.GROUPED, find_attention, FUSE)
    assert not [n for n in grouped.graph if n.op_type == "Expand"]


def test_masks_are_float():
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) p = Softmax<axis=-1>(s)"
    model = rewritten(graphs.masked(core, "bool[B,1,S,T]"), find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert node.inputs[3].producer().op_type == "Where"


REFUSED = {
    "soft-cap": (graphs.attention(
        "c = Constant<value = float {5.0}>() qk = MatMul(qh, kh) t = Mul(qk, half)"
        " d = Div(t, c) h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)"), "soft-cap (here 5)"),
    "weights": (graphs.WEIGHTS, "one output: no weights"),
    "a value size that varies": (graphs.EINSUM.replace("T,4,8] v", "T,4,W] v").replace(
        "(float[B,S,4,8] y)", "(float[B,S,4,W] y)"), "here W and 8"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_parser_lacks_is_named(text, reason):
    model = model_of(text)
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (FUSE,))])
    assert outcome.state == "refused"
    assert reason in outcome.refusal.reason


TWICE = """(float[2,2,S,8] q, float[2,2,S,8] k, float[2,2,S,8] v, float[1,1,S,S] m)
    => (float[2,2,S,8] y, float[2,2,S,8] z) {{
    c = Constant<value_float={scale}>() kt = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, kt)
    t = Mul(s, c) a = Softmax<axis=-1>(t) y = MatMul(a, v)
    u = Add(t, m) b = Softmax<axis=-1>(u) z = MatMul(b, v) }}"""
IN_BRANCHES = """(bool which, float[2,2,S,8] q, float[2,2,S,8] k) => (float[2,2,S,8] y) {
    y = If(which) <
        then_branch = one () => (float[2,2,S,8] a) {
            kt = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, kt) p = Softmax<axis=-1>(s)
            a = MatMul(p, k) },
        else_branch = two () => (float[2,2,S,8] b) {
            kt = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, kt) p = Softmax<axis=-1>(s)
            b = MatMul(p, q) }
    > }"""


def built(model, path):
    """Build a plan where the builder is installed; it needs no GPU."""
    pytest.importorskip("tensorrt_rtx")
    ir.save(model, path / "m.onnx")
    options = BuildEngineOptions(path / "m.onnx", path / "m.plan", dims={"S": (1, 4, 8)})
    return build_engines(options)


@pytest.mark.parametrize("scale", [0.5, 0.35355339, 1.0, 2.0])
def test_attentions_over_the_same_queries_and_keys_scale_by_nodes_of_their_own(scale, tmp_path):
    model = model_of(TWICE.format(scale=scale))
    fused = optimize_graph(model, plan_for("tensorrt"), Prover())
    assert fused.counts["attention"].fused == 2
    one, two = (node for node in model.graph if node.op_type == "Attention")
    assert one.inputs[0] is not two.inputs[0]
    before = [node.inputs[0].producer().inputs[0].producer() for node in (one, two)]
    assert sorted(node.op_type if node else "" for node in before) == ["", "Mul"]
    assert built(model, tmp_path)


def test_attention_inside_branches_stays_written_out(tmp_path):
    model = model_of(IN_BRANCHES)
    fused = optimize_graph(model, plan_for("tensorrt"), None)
    assert {o.state for o in fused.outcomes} == {"refused"}
    assert "inside a branch" in fused.outcomes[0].refusal.reason
    assert built(model, tmp_path)
    model = model_of(IN_BRANCHES)
    counts = optimize_graph(model, plan_for("ort-cpu"), None).counts
    assert counts["attention"].fused == 2
