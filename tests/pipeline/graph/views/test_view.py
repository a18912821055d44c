"""Views compose layout chains into one map, and stop where axes do not factor."""

import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.view import view_of
from tests.pipeline.text_graphs import model_of

CASES = {
    "split heads": (
        """(float[B,S,32] x) => (float[B,4,S,8] y) { t = Constant<value_ints=[0,0,4,8]>()
        a = Reshape(x, t) y = Transpose<perm=[0,2,1,3]>(a) }""",
        "x", "(B)(S)(4 8)", "(B)(4)(S)(8)"),
    "there and back is nothing": (
        """(float[B,S,32] x) => (float[B,S,32] y) { t = Constant<value_ints=[0,0,4,8]>()
        u = Constant<value_ints=[0,0,32]>() a = Reshape(x, t) b = Transpose<perm=[0,2,1,3]>(a)
        c = Transpose<perm=[0,2,1,3]>(b) y = Reshape(c, u) }""",
        "x", "(B)(S)(4 8)", "(B)(S)(4 8)"),
    "repeated heads": (
        """(float[B,2,S,8] x) => (float[B,6,S,8] y) { one = Constant<value_ints=[2]>()
        t = Constant<value_ints=[1,1,3,1,1]>() f = Constant<value_ints=[0,6,-1,8]>()
        a = Unsqueeze(x, one) b = Expand(a, t) y = Reshape(b, f) }""",
        "x", "(B)(2)(S)(8)", "(B)(2 ~3)(S)(8)"),
    "tiled": (
        """(float[B,2,8] x) => (float[B,4,8] y) { t = Constant<value_ints=[1,2,1]>()
        y = Tile(x, t) }""", "x", "(B)(2)(8)", "(B)(~2 2)(8)"),
    "a regrouping across axes starts anew": (
        """(float[B,6,4] x) => (float[B,4,6] y) { t = Constant<value_ints=[0,4,6]>()
        y = Reshape(x, t) }""", "y", "(B)(4)(6)", "(B)(4)(6)"),
    "arithmetic starts anew": (
        """(float[B,6] x) => (float[6,B] y) { a = Relu(x) y = Transpose(a) }""",
        "a", "(B)(6)", "(6)(B)"),
}  # fmt: skip


def written(axes):
    return "".join("(" + " ".join(map(repr, axis)) + ")" for axis in axes)


@pytest.mark.parametrize(("text", "base", "source", "axes"), CASES.values(), ids=CASES)
def test_a_chain_is_one_map(text, base, source, axes):
    model = model_of(text)
    view = view_of(model.graph.outputs[0], Facts(model))
    assert view.base.name == base
    assert (written(view.source), written(view.axes)) == (source, axes)


def test_factors_are_the_same_objects_on_both_sides():
    model = model_of(CASES["split heads"][0])
    view = view_of(model.graph.outputs[0], Facts(model))
    flat = [factor for axis in view.axes for factor in axis]
    assert {id(f) for f in flat} == {id(f) for axis in view.source for f in axis}
