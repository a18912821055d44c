"""The border above a value is what its inner nodes read from outside, each once."""

from pipeline.graph.views.walks import behind, bodies, border_above
from pipeline.operators import CASTS
from tests.pipeline.text_graphs import model_of


def test_what_is_inside_is_walked_through_and_the_rest_is_the_border():
    model = model_of("""(float[B] x, float[B] u) => (float[B] y) {
        a = Neg(x) b = Exp(a) c = Add(b, u) d = Mul(c, a) y = Add(d, b) }""")
    a, b, c, d, y = (node.outputs[0] for node in model.graph)
    border = border_above(y, lambda value: value in (c, d))
    assert {v.name for v in border} == {a.name, b.name, "u"}
    assert len(border) == 3


def test_inputs_that_count_as_inside_end_the_walk():
    model = model_of("(float[B] x) => (float[B] y) { y = Neg(x) }")
    assert border_above(model.graph.outputs[0], lambda _: True) == []


def test_behind_is_where_a_chain_of_the_given_operators_starts():
    model = model_of("""(float[B] x) => (float[B] y) {
        a = Neg(x) b = Cast<to=1>(a) c = Identity(b) d = com.microsoft.Cast(c)
        y = Cast<to=1>(d) }""")
    a, b, c, d, y = (node.outputs[0] for node in model.graph)
    assert behind(c, CASTS) is a
    assert behind(c, {"Identity"}) is b
    assert behind(y, CASTS) is d  # another domain's Cast is another operator
    assert behind(model.graph.inputs[0], CASTS) is model.graph.inputs[0]
    assert behind(a, CASTS) is a


def test_bodies_are_the_branches_of_a_node():
    model = model_of("""(bool c, float[B] x) => (float[B] y) {
        y = If <then_branch = t () => (float[B] u) { u = Neg(x) },
                else_branch = e () => (float[B] v) { v = Abs(x) }>(c) }""")
    (node,) = model.graph
    assert [graph.name for graph in bodies(node)] == ["t", "e"]
    assert bodies(next(iter(bodies(node)[0]))) == []
