"""Functions, default inputs, Constant nodes and known branches."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError
from pipeline.graph.normalise import normalise
from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of
from tests.pipeline.text_graphs import model_of, numbers_of

FUNCTION = """<ir_version: 10, opset_import: ["" : 18, "own" : 1]>
g (float[B,S] x) => (float[B,S] y) {{ a = own.scaled<factor=2.0>(x) y = own.scaled<factor=3.0>(a) }}
<domain: "own", opset_import: ["" : {opset}]>
scaled <factor> (v) => (w) {{ f = Constant<value_float: float = @factor>() w = Mul(v, f) }}"""


def test_functions_are_inlined():
    model = ir.from_proto(onnx.parser.parse_model(FUNCTION.format(opset=18)))
    normalise(model, 23)
    assert not model.functions
    assert ops_of(model) == ["Mul", "Mul"]
    (result,) = numbers_of(model, {"x": np.ones((2, 3), np.float32)})
    np.testing.assert_array_equal(result, np.full((2, 3), 6, np.float32))


def test_a_function_of_another_opset_is_refused():
    model = ir.from_proto(onnx.parser.parse_model(FUNCTION.format(opset=17)))
    with pytest.raises(BadModelError, match="pset"):
        normalise(model, 23)


def test_inputs_with_a_value_become_weights():
    model = model_of("(float[B,4] x, float[4] w) => (float[B,4] y) { y = Mul(x, w) }")
    stored = ir.tensor(np.arange(4, dtype=np.float32), name="w")
    model.graph.inputs[1].const_value = stored
    model.graph.register_initializer(model.graph.inputs[1])
    normalise(model, 23)
    assert [v.name for v in model.graph.inputs] == ["x"]
    assert list(model.graph.initializers) == ["w"]


def test_constant_nodes_become_initializers_of_their_graph():
    text = """(bool c, float[B,S] x) => (float[N,M] y) {
k = Constant<value_float=2.0>() y = If (c) <
then_branch = g1 () => (float[p,q] a) { t = Constant<value_float=3.0>() a = Mul(x, t) },
else_branch = g2 () => (float[p,q] b) { b = Mul(x, k) }> }"""
    model = assert_equal_after(text)
    assert "Constant" not in ops_of(model)
    body = model.graph.node(0).attributes["then_branch"].as_graph()
    assert [n.op_type for n in body] == ["Mul"]
    assert len(body.initializers) == 1


KNOWN = """(float[B,S] x) => (float[N,M] y) {{ one = Constant<value_int=1>() s = Shape(x)
i = Constant<value_int=1>() n = Gather(s, i) c = {condition} r = If (c) <
then_branch = g1 () => (float[p,q] a) {{ t = Constant<value_float=3.0>() a = Mul(x, t) }},
else_branch = g2 () => (float[p,q] b) {{ b = Neg(x) }}> y = Abs(r) }}"""


@pytest.mark.parametrize(
    ("condition", "ops"),
    [
        ("Equal(one, one)", ["Mul", "Abs"]),
        ("Less(one, one)", ["Neg", "Abs"]),
        ("Less(n, one)", ["Shape", "Gather", "Less", "If", "Abs"]),
    ],
    ids=["true", "false", "open"],
)
def test_a_known_branch_is_taken(condition, ops):
    assert ops_of(assert_equal_after(KNOWN.format(condition=condition))) == ops


def test_a_known_branch_that_is_the_output():
    text = """(float[B,S] x) => (float[B,S] y) { t = Constant<value = bool {1}>() y = If (t) <
then_branch = g1 () => (float[p,q] a) { a = Identity(x) },
else_branch = g2 () => (float[p,q] b) { b = Neg(x) }> }"""
    assert ops_of(assert_equal_after(text)) == ["Identity"]
