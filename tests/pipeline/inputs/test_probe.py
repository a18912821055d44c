"""What a 0 and a 1 become on their way through a graph."""

import onnx_ir as ir
import pytest
from onnx import parser

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.probe import Probe, step

START = Probe(0.0, 1.0, True)


def after(body: str, start: Probe = START, index: int = 0) -> Probe | None:
    text = f"""
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N] x, float[N] u, bool[N] b) => (float[N] y)
    <float one = {{1.0}}, float three = {{3.0}}, float far = {{-1e9}}, float zero = {{0.0}}>
    {{ {body} }}
    """
    model = ir.from_proto(parser.parse_model(text))
    return step(next(iter(model.graph)), index, start, Facts(model))


@pytest.mark.parametrize(
    ("body", "zero", "one", "linear"),
    [
        ("y = Add (x, three)", 3.0, 4.0, True),
        ("y = Mul (x, far)", 0.0, -1e9, True),
        ("y = Equal (x, zero)", 1.0, 0.0, False),
        ("y = Less (x, one)", 1.0, 0.0, False),
        ("y = Neg (x)", 0.0, -1.0, True),
        ("y = Cast <to = 9> (x)", 0.0, 1.0, False),
        ("y = Add (x, u)", 0.0, 1.0, True),
        ("y = Mul (x, u)", 0.0, 1.0, False),
    ],
)
def test_pairs(body, zero, one, linear):
    assert after(body) == Probe(zero, one, linear)


def test_the_second_operand():
    assert after("y = Sub (one, x)", index=1) == Probe(1.0, 0.0, True)
    assert after("y = Sub (u, x)", index=1) == Probe(0.0, -1.0, True)


def test_a_fill_tells_what_stays_visible():
    hides = after("y = Where (b, far, u)", Probe(0.0, 1.0, False))
    assert hides is not None
    assert hides.keeps == 0
    shows = after("y = Where (b, u, far)", Probe(0.0, 1.0, False))
    assert shows is not None
    assert shows.keeps == 1
    assert START.keeps is None


def test_what_is_no_element_any_more_is_lost():
    assert after("y = Softmax (x)") is None
    assert after("y = Where (b, one, one)", Probe(0.0, 1.0, False)) is None
