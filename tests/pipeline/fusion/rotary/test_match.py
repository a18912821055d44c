"""Which columns turn with which, read off a graph."""

import pytest

from pipeline.fusion.rotary.match import Rotation, match_rotation
from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of

CONST = """zero = Constant<value_ints=[0]>() two = Constant<value_ints=[2]>()
    four = Constant<value_ints=[4]>() last = Constant<value_ints=[-1]>()"""
HALF = "a, b = Split<axis=-1, num_outputs=2>(x) n = Neg(b) r = Concat<axis=-1>(n, a) "


def matched(body, cos="4", sin="4"):
    model = model_of(
        f"(float[S,4] x, float[S,{cos}] c, float[S,{sin}] s) => (float[S,4] y) {{ {CONST} {body} }}"
    )
    return match_rotation(model.graph.outputs[0], model.graph.inputs[0], Facts(model))


def test_columns_of_narrow_tables():
    body = """a, b = Split<axis=-1, num_outputs=2>(x) ac = Mul(a, c) bs = Mul(b, s)
        bc = Mul(b, c) as = Mul(a, s) p = Sub(ac, bs) q = Add(bc, as) y = Concat<axis=-1>(p, q)"""
    turn = matched(body, "2", "2")
    assert isinstance(turn, Rotation)
    assert (turn.width, turn.interleaved, turn.backward) == (4, False, False)
    assert turn.cos_columns == turn.sin_columns == (0, 1)


def test_columns_of_tables_in_another_order():
    body = """ch = Slice(c, zero, two, last) cc = Concat<axis=-1>(ch, ch)
        sh = Slice(s, two, four, last) ss = Concat<axis=-1>(sh, sh) """
    turn = matched(body + HALF + "xc = Mul(x, cc) rs = Mul(r, ss) y = Add(xc, rs)")
    assert isinstance(turn, Rotation)
    assert {v.name for v in turn.relied} >= {"cc", "ss"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (HALF + "xc = Mul(x, c) rs = Mul(r, s) y = Add(xc, rs)", str),
        (HALF + "xc = Mul(x, c) rs = Mul(r, c) y = Add(xc, rs)", type(None)),
        (HALF + "xc = Mul(x, c) rs = Mul(r, s) y = Sub(rs, xc)", type(None)),
        ("xc = Mul(x, c) xs = Mul(x, s) y = Add(xc, xs)", type(None)),
        ("y = Mul(x, c)", type(None)),
    ],
    ids=["tables not shown equal", "one table", "a reflection", "no exchange", "no sum"],
)
def test_no_rotation(body, found):
    assert isinstance(matched(body), found)
