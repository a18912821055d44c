"""Equal nodes merge, where they may."""

import numpy as np
import onnx_ir as ir

from pipeline.graph.rewriting.emit import APART
from pipeline.graph.rewriting.equal import (
    SMALL_BYTES,
    content,
    made_alike,
    made_by_lowering,
    merge_equal,
)
from tests.pipeline.text_graphs import model_of


def test_equal_nodes_made_by_lowerings_become_one():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }")
    for node in model.graph:
        node.metadata_props["pipeline.rule"] = "test"
    merge_equal(model.graph, made_by_lowering)
    assert [node.op_type for node in model.graph] == ["Neg", "Add"]


def test_nodes_of_others_are_not_merged():
    model = model_of("(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }")
    merge_equal(model.graph, made_by_lowering)
    assert model.graph.num_nodes() == 3


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


def test_nodes_that_must_stay_apart_are_not_merged():
    text = "(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }"
    model = model_of(text)
    for node in model.graph:
        node.metadata_props["pipeline.rule"] = "test"
    first, second, _add = model.graph
    assert made_alike(first.outputs[0], second.outputs[0])
    second.metadata_props[APART] = "true"
    assert not made_alike(first.outputs[0], second.outputs[0])
    merge_equal(model.graph, made_by_lowering)
    assert model.graph.num_nodes() == 3


def test_a_body_reads_what_was_computed_outside_before_it():
    text = """(bool c, float[2] x) => (float[2] y, float[2] z) {
        a = Neg(x) y = If <
            then_branch = t () => (float[2] p) { b = Neg(x) p = Exp(b) },
            else_branch = e () => (float[2] q) { d = Abs(x) q = Exp(d) }>(c)
        f = Abs(x) z = Add(a, f) }"""
    model = model_of(text)
    assert merge_equal(model.graph, lambda _: True) == 1
    assert [n.op_type for graph in model.graph.subgraphs() for n in graph] == ["Exp", "Abs", "Exp"]


def test_what_a_node_is_filled_with_tells_nodes_apart():
    text = """(int64[1] n) => (float[m] y) {
        a = ConstantOfShape<value = float[1] {1.0}>(n)
        b = ConstantOfShape<value = float[1] {1.0}>(n)
        c = ConstantOfShape<value = float[1] {2.0}>(n) d = Add(a, b) y = Add(d, c) }"""
    model = model_of(text)
    assert merge_equal(model.graph, lambda _: True) == 1
    assert sum(node.op_type == "ConstantOfShape" for node in model.graph) == 2


def test_large_tensors_are_equal_to_themselves_only():
    small = np.arange(4, dtype=np.float32)
    assert content(ir.tensor(small)) == content(ir.tensor(small.copy()))
    assert content(ir.tensor(small)) != content(ir.tensor(small.reshape(2, 2)))
    assert content(ir.tensor(small)) != content(ir.tensor(small.view(np.int32)))
    large = ir.tensor(np.zeros(SMALL_BYTES, dtype=np.float32))
    assert content(large) == content(large)
    assert content(large) != content(ir.tensor(np.zeros(SMALL_BYTES, dtype=np.float32)))
