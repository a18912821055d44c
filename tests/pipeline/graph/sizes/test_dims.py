"""Dims are canonical, and every form of one evaluates to the same number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.sizes.dims import ONE, ZERO, Dim, product
from tests.pipeline.graph.sizes.random_dims import SIZES, dims

B, S, P = map(Dim.of, ("batch", "seq", "past"))


@given(dims(), st.fixed_dictionaries(SIZES))
def test_a_dim_evaluates_as_python_does(pair, sizes):
    dim, text = pair
    assert dim.evaluate(sizes) == eval(text, {"min": min, "max": max}, dict(sizes))


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (B * 12 * S, "12*batch*seq"),
        (P + S - P, "seq"),
        ((B * S * 64).exact_div(B * 64), "seq"),
        ((P * B + S * B).exact_div(P + S), "batch"),
        ((S * 2 + 1) // 2, "seq"),
        ((S // 2) // 2, "(seq // 4)"),
        ((S + 5) // 4, "1 + ((1 + seq) // 4)"),
        (S.minimum(P + S), "seq"),
        ((S * -1).maximum(0), "0"),
        ((S - S // 2).maximum(0), "seq - (seq // 2)"),
        (S.minimum(512), "min(512, seq)"),
        (S.minimum(512).minimum(600), "min(512, seq)"),
        (S.broadcast(1), "seq"),
        (S.broadcast(7), "7"),
        (S.broadcast(B).broadcast(S), "broadcast(batch, seq)"),
        (S.broadcast(P).broadcast(B.broadcast(S)), "broadcast(broadcast(batch, past), seq)"),
        (S.broadcast(P - 1).broadcast(S), "broadcast(-1 + past, seq)"),
        (ZERO, "0"),
    ],
)
def test_forms(dim, text):
    assert str(dim) == text


def test_substitution_reaches_atoms_and_replaces_them():
    least = S.minimum(512)
    assert least.substitute({"seq": Dim.of(7)}) == 7
    (atom,) = (a for a in least.atoms if not isinstance(a, str))
    assert (least + 1).substitute({atom: S}) == S + 1


def test_missing_sizes_are_named():
    with pytest.raises(KeyError, match="seq"):
        (B + S).evaluate({"batch": 1})


def test_product():
    assert product([B, S, ONE]) == B * S
    assert product([]) == 1
