"""Uses of inputs by fused operators."""

import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.evidence import evidence_of
from pipeline.inputs.roles import role_of
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of


def uses(node_inputs: list[str], kind: str, name: str, **attributes: object):
    """Return the evidence about one int32 input of a com.microsoft node."""
    values = {n: ir.Value(name=n, type=ir.TensorType(ir.DataType.FLOAT)) for n in node_inputs if n}
    values[name].type = ir.TensorType(ir.DataType.INT32)
    values[name].shape = ir.Shape(["batch"])
    node = ir.node(kind, [values.get(n) for n in node_inputs], attributes, domain="com.microsoft")
    graph = ir.Graph(
        list(values.values()),
        node.outputs,
        nodes=[node],
        opset_imports={"": 21, "com.microsoft": 1},
    )
    return evidence_of(values[name], Facts(ir.Model(graph, ir_version=10)))


def test_lengths_of_grouped_attention_are_one_less():
    inputs = ["q", "k", "v", "", "", "lengths", "total"]
    settings = {"num_heads": 2, "kv_num_heads": 2}
    assert uses(inputs, "GroupQueryAttention", "lengths", **settings).lengths == 1
    assert uses(inputs, "GroupQueryAttention", "total", **settings).total


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [("MultiHeadAttention", ["q", "k", "v", "", "mask"]), ("Attention", ["x", "w", "b", "mask"])],
)
def test_masks_of_fused_attention_keep_ones(kind, inputs):
    assert uses(inputs, kind, "mask", num_heads=2).keeps == 1


IN_PLACE = {"written out": graphs.in_place(), "fused": graphs.fused()}


@pytest.mark.parametrize("text", IN_PLACE.values(), ids=IN_PLACE)
def test_new_tokens_are_written_where_there_is_room(text):
    """Of a fixed cache: not a length, though lengths and the total are computed from it."""
    model = model_of(text, graphs.OPSET)
    facts = Facts(model)
    roles = {value.name: role_of(value, facts) for value in model.graph.inputs}
    assert roles["at"].kind == "ids"
    (size,) = {str(bound.size) for bound in roles["at"].bounds}
    assert size == "13 - S"


def test_lengths_handed_in_stay_lengths_over_a_fixed_cache():
    inputs = ["q", "k", "v", "pk", "pv", "lengths", "total", *[""] * 9, "new"]
    settings = {"num_heads": 2, "kv_num_heads": 2}
    assert uses(inputs, "GroupQueryAttention", "lengths", **settings).lengths == 1


@pytest.mark.parametrize(
    ("axis", "shapes", "size"),
    [(0, ("6,4", "2,4"), "5"), (-2, ("6,4", "S,4"), "7 - S"), (1, ("6", "2"), None)],
    ids=["another axis", "rank 2", "no such axis"],
)
def test_any_tensor_may_be_scattered_into(axis, shapes, size):
    model = model_of(
        f"""(float[{shapes[0]}] past, float[{shapes[1]}] new, int64[1] at)
        => (float[{shapes[0]}] y) {{ y = TensorScatter<axis={axis}>(past, new, at) }}""",
        24,
    )
    found = evidence_of(model.graph.inputs[2], Facts(model)).bounds
    assert [str(bound.size) for bound in found] == ([] if size is None else [size])


def test_a_fill_compared_with_infinity_is_compared_with_no_input():
    """A guard such as `scores == -inf` behind (1 - mask) * big: no mask makes it true."""
    model = model_of("""(int64[B,S] mask, float none) => (bool[B,S] y) {
        one = Constant<value_float=1.0>() low = Constant<value_float=-10000.0>()
        zero = Constant<value_float=0.0>() below = Neg(one) inf = Div(below, zero)
        f = Cast<to=1>(mask) m = Sub(one, f) a = Mul(m, low) y = Equal(a, inf) }""")
    assert evidence_of(model.graph.inputs[0], Facts(model)).compared == set()
