"""What inputs are for, told from their uses alone."""

import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.roles import Role, role_of
from tests.pipeline.inputs.graphs import DECODER, ENCODER, PADDED, parsed


def roles(text: str) -> dict[str, Role]:
    model = parsed(text)
    facts = Facts(model)
    return {str(value.name): role_of(value, facts) for value in model.graph.inputs}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (ENCODER, {"tokens": "ids", "keep": "mask"}),
        (DECODER, {"tokens": "ids", "keep": "mask", "position_ids": "positions", "k": "floats"}),
        (PADDED, {"x": "floats", "pad": "mask"}),
    ],
    ids=["encoder", "decoder", "padded"],
)
def test_kinds(text, kinds):
    assert {name: role.kind for name, role in roles(text).items()} == kinds


def test_polarity():
    assert roles(ENCODER)["keep"].keep == 1
    assert roles(DECODER)["keep"].keep == 1
    assert roles(PADDED)["pad"].keep == 0


@pytest.mark.parametrize("product", ["MatMul", "Mul"])
def test_angles_are_positions_whatever_their_name(product):
    found = roles(f"""
    g (int64[batch, seq] q) => (float[batch, seq, 4] out)
    <float[1, 4] frequency = {{1.0, 0.1, 0.01, 0.001}}, int64[1] last = {{-1}}>
    {{ u = Unsqueeze (q, last)  f = Cast <to = 1> (u)  a = {product} (f, frequency)
       out = Cos (a) }}
    """)
    assert found["q"].kind == "positions"


def test_a_float_added_to_scores_is_a_bias():
    found = roles("""
    g (float[batch, seq, 4] x, float[batch, seq, seq] m) => (float[batch, seq, seq] out)
    { t = Transpose <perm = [0, 2, 1]> (x)  s = MatMul (x, t)  a = Add (s, m)  out = Softmax (a) }
    """)
    assert {name: role.kind for name, role in found.items()} == {"x": "floats", "m": "bias"}


def test_a_flag_that_picks_a_branch_is_a_switch():
    found = roles("""
    g (bool flag, float[N] x) => (float[N] out)
    {
      out = If (flag) <then_branch = a () => (float[N] p) { p = Identity (x) },
                       else_branch = b () => (float[N] q) { q = Neg (x) }>
    }
    """)
    assert found["flag"].kind == "switch"


def test_ids_that_are_tested_for_are_remembered():
    found = roles("""
    g (int64[batch, seq] q) => (float[batch, seq, 2] out, int64[batch, seq] places)
    <float[9, 2] words, int64 one = {1}, int64 axis = {1}>
    {
      out = Gather (words, q)
      e = Equal (q, one)
      n = Not (e)
      i = Cast <to = 7> (n)
      places = CumSum (i, axis)
    }
    """)
    assert found["q"].kind == "ids"
    assert found["q"].special == {1}
