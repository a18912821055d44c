"""Dead nodes go, names are told apart."""

from pipeline.graph.rewriting.edit import drop_unused, name_apart, remove_dead
from tests.pipeline.text_graphs import model_of


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


def test_what_nobody_reads_goes_in_bodies_too():
    text = """(bool c, float[2] x) => (float[2] y) <float[2] u = {1, 2}> {
        a = Add(x, u) y = If <
            then_branch = t () => (float[2] p) <float[2] w = {3, 4}> { d = Mul(x, w) p = Neg(x) },
            else_branch = e () => (float[2] q) <float[2] v = {5, 6}> { q = Mul(x, v) }>(c) }"""
    model = model_of(text)
    assert drop_unused(model)
    (node,) = model.graph
    then, other = (node.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
    assert [n.op_type for n in then] == ["Neg"]
    assert [list(g.initializers) for g in (model.graph, then, other)] == [[], [], ["v"]]
    assert not drop_unused(model)
