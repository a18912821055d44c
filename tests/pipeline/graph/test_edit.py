"""Committing keeps names and readers, and takes away what nobody reads any more."""

from pipeline.graph.edit import made_alike, merge_equal, name_apart, remove_dead
from pipeline.graph.facts import Facts
from pipeline.graph.recognise.attention import find_attention
from pipeline.lowerings.attention_standard import FuseAttentionStandard
from pipeline.optimize.rewrite import Pass, Rewriter
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


def test_equal_nodes_made_by_lowerings_become_one():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }")
    for node in model.graph:
        node.metadata_props["pipeline.rule"] = "test"
    merge_equal(model.graph)
    assert [node.op_type for node in model.graph] == ["Neg", "Add"]


def test_nodes_of_others_are_not_merged():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }")
    merge_equal(model.graph)
    assert model.graph.num_nodes() == 3


def test_removing_dead_nodes_follows_what_only_they_used():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Exp(a) c = Log(b) y = Abs(a) }")
    (log,) = [node for node in model.graph if node.op_type == "Log"]
    remove_dead(model.graph, [log])
    assert [node.op_type for node in model.graph] == ["Neg", "Abs"]


def test_nodes_of_one_name_are_named_apart():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Exp(a) c = Log(b) y = Abs(c) }")
    for node, name in zip(model.graph, ["op", "op.2", "op", ""], strict=True):
        node.name = name
    name_apart(model.graph)
    names = [node.name for node in model.graph]
    assert names[:2] == ["op", "op.2"]
    assert names[3] == ""
    assert len(set(names)) == 4


def test_what_will_be_merged_is_told_beforehand():
    model = model_of("""(float[4] x) => (float[4] a, float[4] b, float[4] c, float[4] d) {
        p = Neg(x) q = Neg(x) a = Elu<alpha=0.5>(p) b = Elu<alpha=0.5>(q) c = Elu<alpha=0.6>(q)
        d = Neg(a) }""")
    values = {v.name: v for v in model.graph.outputs}
    assert not made_alike(values["a"], values["b"])  # not made by lowerings
    for node in model.graph:
        node.metadata_props["pipeline.rule"] = "test"
    assert made_alike(values["a"], values["b"])
    assert not made_alike(values["b"], values["c"])
    assert not made_alike(values["a"], values["d"])
    assert not made_alike(values["a"], model.graph.inputs[0])
    assert made_alike(None, None)
    assert not made_alike(values["a"], None)
