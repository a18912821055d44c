"""Equal nodes merge, dead ones go, names are told apart."""

from pipeline.graph.rewriting.edit import made_alike, merge_equal, name_apart, remove_dead
from pipeline.graph.rewriting.emit import APART
from tests.pipeline.text_graphs import model_of


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


def test_nodes_that_must_stay_apart_are_not_merged():
    text = "(float[B] x) => (float[B] y) { a = Neg(x) b = Neg(x) y = Add(a, b) }"
    model = model_of(text)
    for node in model.graph:
        node.metadata_props["pipeline.rule"] = "test"
    first, second, _add = model.graph
    assert made_alike(first.outputs[0], second.outputs[0])
    second.metadata_props[APART] = "true"
    assert not made_alike(first.outputs[0], second.outputs[0])
    merge_equal(model.graph)
    assert model.graph.num_nodes() == 3
