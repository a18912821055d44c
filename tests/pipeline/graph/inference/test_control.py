"""If, Loop and Scan."""

import numpy as np
import pytest

from pipeline.graph.inference.facts import Facts
from tests.pipeline.graph.inference.claims import assert_claims, shape_of
from tests.pipeline.text_graphs import model_of

IF = """(bool c, float[B,S,8] x) => (float[N,M,K] o) {{ o = If (c) <
then_branch = g1 () => (float[p,q,r] a) {{ a = Neg(x) }},
else_branch = g2 () => (float[p,q,r] b) {{ {other} }}> }}"""


def test_branches_that_agree():
    text = IF.format(other="b = Exp(x)")
    assert shape_of(text) == "B, S, 8"
    assert_claims(text, feeds={"c": np.array(True)})


@pytest.mark.parametrize("way", [True, False])
def test_branches_that_differ_leave_the_axis_open(way):
    text = IF.format(other="b = Concat<axis=1>(x, x)")
    batch, length, width = shape_of(text).split(", ")
    assert (batch, width) == ("B", "8")
    assert length.startswith("$")
    assert_claims(text, feeds={"c": np.array(way)}, closed=False)


def test_what_a_branch_assumes_stays_inside():
    text = """(bool c, float[B,S] x, float[B,T] y) => (float[N,M] o) { o = If (c) <
then_branch = g1 () => (float[p,q] a) { a = Add(x, y) },
else_branch = g2 () => (float[p,q] b) { b = Neg(y) }> }"""
    model = model_of(text)
    facts = Facts(model)
    assert [str(d) for d in facts.shape(model.graph.inputs[1])] == ["B", "S"]
    assert [str(d) for d in facts.shape(model.graph.inputs[2])] == ["B", "T"]
    assert facts.assumed


LOOP = """(float[B,S,8] x, int64 n) => (float[N,M,K] o) {{ t = Constant<value_int=1>()
 go = Cast<to=9>(t) o = Loop (n, go, x) <
body = g (int64 i, bool cin, float[a,b,c] s) => (bool cout, float[a,b,c] e)
{{ cout = Identity(cin) {step} }}> }}"""


def test_a_state_that_keeps_its_shape():
    text = LOOP.format(step="e = Neg(s)")
    assert shape_of(text) == "B, S, 8"
    assert_claims(text, feeds={"n": np.array(3)})


def test_a_state_that_grows():
    text = LOOP.format(step="e = Concat<axis=1>(s, x)")
    batch, length, width = shape_of(text).split(", ")
    assert (batch, width) == ("B", "8")
    assert length.startswith("$")
    assert_claims(text, feeds={"n": np.array(3)}, closed=False)


def test_scan_stacks_what_its_body_makes():
    text = """(float[B,S,8] x, float[B,8] h) => (float[N,M,K] o) {
 last, o = Scan <num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1],
body = g (float[a,c] s, float[a,c] e) => (float[a,c] u, float[a,c] v)
{ u = Add(s, e) v = Neg(u) }> (h, x) }"""
    assert shape_of(text) == "B, S, 8"
    assert_claims(text)
