"""What rounds between two nodes."""

import pytest

from pipeline.fusion.formulas.rounding import first_rounding, rounded_type, rounds
from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of

TEXT = """(float[8] x, float s, uint8 z) => (float[8] y) {
    a = Add(x, x) i = QuantizeLinear(a, s, z) d = DequantizeLinear(i, s, z) r = Sqrt(d)
    y = Relu(r) }"""


def nodes(model):
    return {node.op_type: node for node in model.graph}


def find(start: str, end: str, *, forward: bool):
    made = nodes(model_of(TEXT))
    return first_rounding(made[start], lambda node: node.op_type == end, forward=forward)


@pytest.mark.parametrize(
    ("start", "end", "forward", "name"),
    [("Add", "Sqrt", True, "QuantizeLinear"), ("Sqrt", "Add", False, "DequantizeLinear")],
)
def test_the_first_on_the_way_is_returned(start, end, forward, name):
    (node,) = find(start, end, forward=forward)
    assert node.op_type == name


def test_nothing_rounds_on_the_way():
    assert find("Sqrt", "Relu", forward=True) == (None,)


def test_no_such_end():
    assert find("Add", "Softmax", forward=True) is None
    assert find("Add", "Relu", forward=False) is None


def test_the_type_is_the_integers():
    model = model_of(TEXT)
    made, facts = nodes(model), Facts(model)
    assert rounded_type(made["QuantizeLinear"], facts) == "uint8"
    assert rounded_type(made["DequantizeLinear"], facts) == "uint8"
    assert [rounds(node) for node in made.values()] == [False, True, True, False, False]
