"""Formulas that are equal compare equal, and others do not."""

import math

import onnx_ir as ir
import pytest

from pipeline.fusion.formulas import algebra as al

X, Y = (al.leaf(ir.Value(name=name)) for name in "xy")
ONE = al.number(1.0)


def total(arg, constant=lambda atom: False, count=4.0):
    return al.summed(arg, (-1,), count, constant)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(X * X, X.power(2), id="square"),
        pytest.param((X + Y) * (X - Y), X.power(2) - Y.power(2), id="product of sums"),
        pytest.param(X.power(-1) * X.power(3), X.power(2), id="powers cancel"),
        pytest.param((X + ONE).power(0.5).power(-1), (X + ONE).power(-0.5), id="reciprocal root"),
        pytest.param(
            (X.scaled(4) + al.number(4)).power(0.5), (X + ONE).power(0.5).scaled(2), id="scale"
        ),
        pytest.param(al.exponential(X - Y) * al.exponential(Y), al.exponential(X), id="exp"),
        pytest.param(al.logarithm(al.exponential(X).scaled(math.e)), X + ONE, id="log"),
        pytest.param(al.exponential(al.logarithm(X + Y)), X + Y, id="exp of log"),
        pytest.param(
            (ONE + al.exponential(X.scaled(-1))).power(-1), al.sigmoid(X), id="sigmoid by exp"
        ),
        pytest.param(
            al.sigmoid(X.scaled(2)).scaled(2) - ONE, al.odd("tanh", X), id="tanh by sigmoid"
        ),
        pytest.param(al.odd("erf", X.scaled(-1)), al.odd("erf", X).scaled(-1), id="odd"),
        pytest.param(total(X + Y), total(X) + total(Y), id="sums are linear"),
        pytest.param(total(ONE), al.number(4.0), id="count"),
        pytest.param((X + Y) - (Y + X), al.number(0.0), id="zero"),
    ],
)
def test_equal(left, right):
    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(X.power(2).power(0.5), X, id="the root of a square is no identity"),
        pytest.param(X + ONE, X + al.number(1.0001), id="constants"),
        pytest.param((X + ONE).power(0.5) + ONE, (X + al.number(2)).power(0.5), id="outside"),
        pytest.param(total(X * Y), total(X) * total(Y), id="sum of a product"),
        pytest.param(al.odd("tanh", X), al.odd("erf", X), id="functions"),
    ],
)
def test_different(left, right):
    assert left != right


def test_what_is_constant_along_the_axes_leaves_the_sum():
    constant = {atom for monomial in Y.terms for atom, _ in monomial}
    assert total(X * Y, constant.__contains__) == total(X) * Y


def test_growth_is_bounded():
    terms = [al.leaf(ir.Value(name=f"v{i}")) for i in range(30)]
    many = sum(terms, start=X)
    with pytest.raises(al.TooComplexError):
        many * many


def test_formulas_print_for_refusals():
    assert repr(X.scaled(2) + ONE) == "2·x + 1"
