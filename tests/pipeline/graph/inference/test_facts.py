"""What Facts says of a graph beyond one operator: values, equalities, new nodes."""

import sys

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of


def facts_of(text: str, **options: bool) -> tuple[Facts, dict[str, ir.Value]]:
    """Return the facts of a graph and its values by name."""
    model = model_of(text)
    values = {v.name: v for v in (*model.graph.inputs, *model.graph.initializers.values())}
    values |= {v.name: v for node in model.graph for v in node.outputs}
    return Facts(model, **options), values


def text_of(dims) -> str:
    return "?" if dims is None else ", ".join(map(str, dims))


MASKED = """(float[batch,heads,seq,8] q, float[batch,heads,past,8] pk, float[batch,heads,seq,8] k,
float[batch,1,1,total] mask) => (float[batch,heads,seq,t] y) {
all = Concat<axis=2>(pk, k) t = Transpose<perm=[0,1,3,2]>(all) s = MatMul(q, t)
y = Add(s, mask) }"""


def test_a_size_that_must_be_a_sum_is_written_as_the_sum():
    facts, values = facts_of(MASKED)
    assert text_of(facts.shape(values["y"])) == "batch, heads, seq, past + seq"
    assert text_of(facts.shape(values["mask"])) == "batch, 1, 1, past + seq"
    assert [tuple(map(str, pair)) for pair in facts.assumed] == [("past + seq", "total")]
    assert facts.equalities == []


def test_strict_facts_assume_nothing():
    facts, values = facts_of(MASKED, assume=False)
    assert text_of(facts.shape(values["mask"])) == "batch, 1, 1, total"
    assert facts.assumed == []


def test_what_an_operator_needs_is_an_equality():
    facts, values = facts_of("(float[B,K] x, float[J,T] w) => (float[B,T] y) { y = MatMul(x, w) }")
    assert len(facts.equalities) == 1
    assert facts.shape(values["x"])[1] == facts.shape(values["w"])[0]
    assert facts.assumed == []


def test_a_position_table_cut_to_the_length_has_that_length():
    facts, values = facts_of("""(float[B,S,4] x, float[512,4] table) => (float[B,S,4] y) {
n = Shape<start=1, end=2>(x) zero = Constant<value_ints=[0]>() rows = Slice(table, zero, n)
y = Add(x, rows) }""")
    assert text_of(facts.shape(values["rows"])) == "S, 4"
    assert text_of(facts.shape(values["y"])) == "B, S, 4"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Constant<value_float=0.125>()", 0.125),
        ("a = Constant<value_float=64.0>() b = Sqrt(a) y = Reciprocal(b)", 0.125),
        ("s = Shape<start=1>(x) f = Cast<to=1>(s) y = Sqrt(f)", 8.0),
        ("a = Constant<value_float=2.5>() s = Shape(x) y = Expand(a, s)", 2.5),
        ("a = Constant<value_ints=[3, 3, 3]>() y = Cast<to=1>(a)", 3.0),
        ("a = Constant<value_floats=[1.5, 2.5]>() y = Identity(a)", None),
        ("s = Shape(x) y = ConstantOfShape<value = float[1] {-1e9}>(s)", -1e9),
        ("s = Shape(x) y = ConstantOfShape(s)", 0.0),
        ("y = Identity(x)", None),
    ],
    ids=[
        "constant",
        "chain",
        "from a size",
        "expanded",
        "all the same",
        "two",
        "filled",
        "filled with zeros",
        "varies",
    ],
)
def test_scalar(body, expected):
    facts, values = facts_of("(float[B,64] x) => (float[N] y) {" + body + "}")
    assert facts.scalar(values["y"]) == expected


def test_const_and_is_const():
    facts, values = facts_of("""(float[B,4] x) => (float[N,M] y) {
a = Constant<value_ints=[0, 1, 2, 3]>() b = Constant<value_ints=[4, 1]>() c = Reshape(a, b)
d = Less(a, c) n = Shape(x) y = Mul(x, x) }""")
    assert facts.is_const(values["d"])
    np.testing.assert_array_equal(facts.const(values["d"]), np.tri(4, k=-1, dtype=bool))
    assert not facts.is_const(values["n"])
    assert facts.const(values["y"]) is None
    assert text_of(facts.ints(values["n"])) == "B, 4"


def test_ints_are_for_integers_of_rank_one_at_most():
    facts, values = facts_of("""(float[B,4] x) => (float[N] y) { n = Shape(x) f = Cast<to=1>(n)
two = Constant<value_ints=[1, 2]>() m = Reshape(n, two) y = Sqrt(f) }""")
    assert facts.ints(values["f"]) is None
    assert facts.ints(values["m"]) is None


def test_a_new_node_is_inferred():
    facts, values = facts_of("(float[B,4] x) => (float[B,4] y) { y = Neg(x) }")
    node = ir.node("Concat", [values["x"], values["y"]], {"axis": 0})
    facts.add(node)
    assert text_of(facts.shape(node.outputs[0])) == "2*B, 4"
    assert facts.dtype(node.outputs[0]) == ir.DataType.FLOAT


def test_unknown_operators_claim_nothing_but_what_is_declared():
    text = "(float[B,4] x) => (float[B,4] y) { a = own.thing(x) y = Neg(a) }"
    facts, values = facts_of(text)
    assert facts.shape(values["a"]) is None
    model = model_of(text)
    value = model.graph.node(0).outputs[0]
    value.shape, value.dtype = ir.Shape(["B", 4, "else"]), ir.DataType.FLOAT
    shape = Facts(model).shape(value)
    assert text_of(shape[:2]) == "B, 4"
    assert str(shape[2]).startswith("$")


def test_declared_shapes_never_contradict_what_is_inferred():
    model = model_of("(float[B,4] x) => (float[B,4] y) { a = Neg(x) y = Neg(a) }")
    value = model.graph.node(0).outputs[0]
    value.shape, value.dtype = ir.Shape([7, 9]), ir.DataType.FLOAT16
    facts = Facts(model)
    assert text_of(facts.shape(value)) == "B, 4"
    assert facts.dtype(value) == ir.DataType.FLOAT


def test_declared_sums_are_read_as_sums():
    model = model_of("(float[B,S] x, float[B,P] p, float[B,T] m) => (float[B,T] y) { y = Neg(m) }")
    model.graph.inputs[2].shape = ir.Shape(["B", "P + S"])
    assert text_of(Facts(model).shape(model.graph.inputs[2])) == "B, P + S"


def test_axes_without_a_name_get_one():
    model = model_of("(float[B,S] x) => (float[B,S] y) { y = Neg(x) }")
    model.graph.inputs[0].shape = ir.Shape([None, None])
    assert text_of(Facts(model).shape(model.graph.inputs[0])) == "x.0, x.1"


def test_a_contradictory_node_is_doubted_and_the_rest_known():
    facts, values = facts_of("""(float[B,4,9,9] x, float[4,4,3,3] w) => (float[B,4,9,9] z) {
a = Conv<strides=[1]>(x, w) b = Neg(a) z = Neg(x) }""")
    assert facts.shape(values["b"]) is None
    assert text_of(facts.shape(values["z"])) == "B, 4, 9, 9"
    assert len(facts.doubts) == 1
    assert "Conv" in facts.doubts[0]


def test_sizes_that_no_input_makes_equal_are_a_contradiction():
    facts, values = facts_of("""(float[B,4] x, float[3] u) => (float[B,4] z) {
b = Add(x, u) z = Neg(x) }""")
    assert facts.shape(values["b"]) is None
    assert len(facts.contradictions) == 1
    assert "an axis of 4 meets an axis of 3" in facts.contradictions[0]


def test_what_a_branch_contradicts_may_never_run():
    facts, _ = facts_of("""(bool c, float[B,4] x, float[3] u) => (float[B,4] y) {
y = If(c) <then_branch = yes () => (float[B,4] t) { t = Add(x, u) },
          else_branch = no () => (float[B,4] e) { e = Neg(x) }> }""")
    assert len(facts.doubts) == 1
    assert facts.contradictions == []


def test_sizes_that_double_at_every_node_stay_small():
    body = "s0 = Shape(x) "
    body += " ".join(f"s{i + 1} = Mul(s{i}, s{i})" for i in range(60))
    facts, values = facts_of("(float[B,S] x) => (int64[2] s60) {" + body + "}")
    assert all(d.weight < 100 for d in facts.ints(values["s60"]))


def test_cost_is_linear_in_nodes():
    def calls(layers: int) -> int:
        body = "h0 = Neg(x) " + " ".join(
            f"n{i} = Shape<end=2>(h{i}) t{i} = Concat<axis=0>(n{i}, two) "
            f"r{i} = Reshape(h{i}, t{i}) "
            f"g{i} = ReduceSum<keepdims=0>(r{i}, last) h{i + 1} = Concat<axis=2>(g{i}, g{i})"
            for i in range(layers)
        )
        text = "(float[B,S,8] x) => (float[N,M,K] o) <int64[2] two={2,4}, int64[1] last={2}> {"
        model = model_of(text + body + f" o = Neg(h{layers}) }}")
        made = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal made
            made += event == "call"

        sys.setprofile(count)
        try:
            Facts(model)
        finally:
            sys.setprofile(None)
        return made

    assert calls(400) < 8 * 1.2 * calls(50)  # function calls, for eight times the nodes


def test_what_a_body_needs_equal_is_equal_inside_it():
    text = """(bool c, float[B,S] x, float[B,T] m) => (float[B,S] y) {
        y = If (c) <then_branch = g () => (float[B,S] a) { a = Add(x, m) },
                    else_branch = h () => (float[B,S] b) { b = Relu(x) }> }"""
    model = model_of(text)
    facts = Facts(model)
    node = next(iter(model.graph))
    then, other = (node.attributes[f"{name}_branch"].as_graph() for name in ("then", "else"))
    _, x, m = model.graph.inputs
    assert facts.shape(x) != facts.shape(m)
    with facts.inside(then):
        assert facts.shape(x) == facts.shape(m)
    with facts.inside(other):
        assert facts.shape(x) != facts.shape(m)
    assert facts.shape(x) != facts.shape(m)
