"""The border above a value is what its inner nodes read from outside, each once."""

from pipeline.graph.rewriting.upstream import border_above
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
