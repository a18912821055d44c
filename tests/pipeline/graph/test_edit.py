"""Committing keeps names and readers, and takes away what nobody reads any more."""

from pipeline.graph.edit import merge_equal, name_apart, remove_dead
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
