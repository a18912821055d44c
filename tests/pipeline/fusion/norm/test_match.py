"""The formulas themselves: what is a norm of x, what nearly is, what is nothing of the kind."""

import pytest

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone
from pipeline.fusion.norm.match import Miss, NormFormula, match_norm
from pipeline.fusion.norm.steps import DIVIDED, ROOT
from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of

MODEL = model_of("(float[B,S,4] x) => (float[B,S,4] y) { y = Neg(x) }")
CONE = Cone(Facts(MODEL), MODEL.graph.inputs[0])
X = al.atom(CONE.leaf)
SQUARE = al.atom(al.Func("sum", X.power(2), (-1,))).scaled(0.25)
MEAN = al.atom(al.Func("sum", X, (-1,))).scaled(0.25)
EPS = al.number(1e-5)


def root(*terms):
    return sum(terms[1:], start=terms[0]).power(-0.5)


def test_rms_norm():
    match = match_norm(X * root(SQUARE, EPS), CONE)
    assert isinstance(match, NormFormula)
    assert not match.centred
    assert match.epsilon == pytest.approx(1e-5)
    assert match.weight.const == 1.0


def test_layer_norm_scaled():
    centred = (X - MEAN) * root(SQUARE, EPS, MEAN.power(2).scaled(-1.0))
    match = match_norm(centred.scaled(3.0) + al.number(2.0), CONE)
    assert isinstance(match, NormFormula)
    assert match.centred
    assert match.weight.const == pytest.approx(3.0)
    assert match.bias.const == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("expr", "step"),
    [
        (X * (SQUARE.power(0.5) + EPS).power(-1), ROOT),
        (X * root(SQUARE, al.number(-1e-5)), ROOT),
        (X * root(SQUARE, EPS, MEAN.power(2).scaled(-0.5)), ROOT),
        ((X - MEAN) * root(SQUARE, EPS), DIVIDED),
        ((X - MEAN.scaled(0.5)) * root(SQUARE, EPS, MEAN.power(2).scaled(-1.0)), DIVIDED),
    ],
    ids=["outside", "negative", "half centred", "one side", "half a mean"],
)
def test_misses(expr, step):
    match = match_norm(expr, CONE)
    assert isinstance(match, Miss)
    assert match.step == step


@pytest.mark.parametrize(
    "expr",
    [X, root(SQUARE, EPS), X * X * root(SQUARE, EPS), X * MEAN.power(-1)],
    ids=["x", "root alone", "square", "over the mean"],
)
def test_nothing_of_the_kind(expr):
    assert match_norm(expr, CONE) is None
