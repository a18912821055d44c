"""Polynomials: canonical sums, products and exact quotients."""

import pytest
from hypothesis import given

from pipeline.graph.sizes.polynomials import MOST_TERMS, Polynomial
from tests.pipeline.graph.sizes.random_dims import dims


def named(name: str) -> Polynomial:
    return Polynomial({((name, 1),): 1})


B, S, P = map(named, ("batch", "seq", "past"))


@given(dims(), dims())
def test_sums_and_products_commute(left, right):
    (a, _), (b, _) = left, right
    assert a + b == b + a
    assert a * b == b * a
    assert hash(a + b) == hash(b + a)
    assert a + b - b == a


@pytest.mark.parametrize(
    ("polynomial", "text"),
    [
        (B * 12 * S, "12*batch*seq"),
        (P + S - P, "seq"),
        (2 - S, "2 - seq"),
        (B * B * 3 + 1, "1 + 3*batch^2"),
        ((P * B + S * B).exact_div(P + S), "batch"),
        (Polynomial.atom("//", S + 1, named("k")) * 2, "2*((1 + seq) // k)"),
    ],
    ids=str,
)
def test_forms(polynomial, text):
    assert str(polynomial) == text
    assert type(polynomial) is Polynomial


def test_inexact_division_says_so():
    assert (S + 1).exact_div(S) is None
    assert (S * 3).exact_div(2) is None
    assert S.exact_div(0) is None


def test_atoms_are_known_with_what_is_inside_them():
    atom = Polynomial.atom("min", S, B + 1)
    assert atom.sole_atom == ("min", S, B + 1)
    assert (atom * 2).sole_atom is None
    assert (atom + P).symbols == {"seq", "batch", "past"}
    assert (atom + P).monomials() is None
    assert (S * S * 3 + P).monomials() == [(1, ["past"]), (3, ["seq", "seq"])]


def test_one_term_can_be_taken_away():
    (first, _), _ = (S + P * 2).terms
    assert (S + P * 2).without(first) == S


def test_nothing_grows_without_bound():
    dim, other = B + S, P + 1
    for _ in range(12):
        dim = dim * dim + other
        if dim.weight > 10_000:
            break
    assert len(dim.terms) <= MOST_TERMS + 100
