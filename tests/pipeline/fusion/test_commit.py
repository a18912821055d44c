"""Committing keeps names and readers, and takes away what nobody reads any more."""

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.construct import Pass
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import assert_same_numbers, model_of

FUSE = FuseAttentionStandard()


def fused(text):
    model = model_of(text)
    Rewriter(model, Facts(model), None).run([Pass("attention", find_attention, (FUSE,))])
    model.graph.sort()
    return model


def test_only_what_is_still_read_stays():
    ops = [node.op_type for node in fused(graphs.attention()).graph if node.op_type != "Constant"]
    assert ops == ["Attention"]


def test_sizes_read_off_fused_values_are_computed_from_inputs():
    text = graphs.attention(
        graphs.PLAIN + " z = Shape<start=2>(p)", outputs=", int64[2] z2"
    ).replace(graphs.TAIL, graphs.TAIL + " z2 = Identity(z)")
    model = fused(text)
    assert "Softmax" not in {node.op_type for node in model.graph}
    assert_same_numbers(text, find_attention, FUSE, rtol=2e-6)  # float32, as in its own test


def test_a_mask_cut_to_the_size_of_the_scores_closes_no_circle():
    core = """none = Constant<value_ints=[0]>()
        qk = MatMul(qh, kh) s = Mul(qk, half) size = Shape(s)
        ns = Gather(size, i2) nd = Gather(size, i3) n1 = Unsqueeze(ns, none)
        n2 = Unsqueeze(nd, none) at = Concat<axis=0>(n1, n2) m2 = Slice(m, zeros, at, axes)
        sm = Add(s, m2) p = Softmax<axis=-1>(sm)"""
    numbers = """i2 = Constant<value_int=2>() i3 = Constant<value_int=3>()
        zeros = Constant<value_ints=[0, 0]>() axes = Constant<value_ints=[2, 3]>()"""
    text = graphs.attention(f"{numbers} {core}", ", float[1,1,64,64] m")
    ops = [node.op_type for node in fused(text).graph]
    assert "Attention" in ops
    assert "MatMul" not in ops
    assert_same_numbers(text, find_attention, FUSE, rtol=2e-6)  # float32, as in its own test


CACHE = graphs.CACHED.replace("float[B,4,P,8] pv)", "float[B,4,P,8] pv, float[64] m)")
FROM_KEYS = """none = Constant<value_ints=[0]>() {size} mt = Slice(m, none, total, none)
    sm = Add(s, mt) p = Softmax<axis=-1>(sm)"""


def test_a_mask_cut_to_the_size_of_the_present_keys_closes_no_circle():
    size = "total = Shape<start=2, end=3>(nk)"
    text = CACHE.replace("p = Softmax<axis=-1>(s)", FROM_KEYS.format(size=size))
    (node,) = [node for node in fused(text).graph if node.op_type == "Attention"]
    assert len(node.outputs) == 3


def test_the_size_of_the_result_is_not_read_off_the_present_values():
    text = graphs.CACHED.replace("float[B,4,T,8] nv)", "float[B,4,T,8] nv, int64[4] z)")
    text = text.replace("y = MatMul(p, nv) }", "y = MatMul(p, nv) w = Shape(y) z = Identity(w) }")
    (node,) = [node for node in fused(text).graph if node.op_type == "Attention"]
    assert len(node.outputs) == 3


def test_a_mask_computed_from_the_present_keys_is_refused():
    size = """top = ReduceMax<keepdims=0>(nk) whole = Cast<to=7>(top)
        total = Unsqueeze(whole, none)"""
    text = CACHE.replace("p = Softmax<axis=-1>(s)", FROM_KEYS.format(size=size))
    model = model_of(text)
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (FUSE,))])
    assert outcome.refusal.reason == "an operand is computed from what it returns"
    assert "Softmax" in {node.op_type for node in model.graph}
