"""What is proven to be at least zero is, whatever the named sizes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.sizes.dims import Dim
from pipeline.graph.sizes.signs import is_nonnegative
from tests.pipeline.graph.sizes.random_dims import SIZES, dims

B, S, P = map(Dim.of, ("batch", "seq", "past"))


@given(dims(), st.fixed_dictionaries(SIZES))
def test_a_proven_sign_holds(pair, sizes):
    dim, _ = pair
    if is_nonnegative(dim):
        assert dim.evaluate(sizes) >= 0


@pytest.mark.parametrize(
    ("dim", "known"),
    [
        (S - S // 2, True),
        (S * 3 - (S // 2) * 6, True),
        (S - (S // 2) * 3, False),
        (S // 2 - S, False),
        (B - S // 2, False),
        (Dim.of(512) - S.minimum(512), True),
        (S - S.minimum(512), True),
        (S.minimum(512) - S, False),
        (S.maximum(P) - S, True),
        (S - S.maximum(P), False),
        (S.maximum(P) - B, False),
    ],
    ids=str,
)
def test_signs(dim, known):
    assert is_nonnegative(dim) is known


def test_integers_from_data_have_no_sign():
    assert not is_nonnegative(Dim.of("?1"))
    assert is_nonnegative(Dim.of("$1"))
    assert is_nonnegative(Dim.of("?1").maximum(0))


def test_a_proof_gives_up_rather_than_take_long():
    """Which operand of each maximum helps is tried out: ways double with each of them."""
    parts = [Dim.of(f"z{i}").maximum(Dim.of(f"a{i}")) - Dim.of(f"z{i}") for i in range(12)]
    assert is_nonnegative(sum(parts[1:3], start=parts[0]))
    assert not is_nonnegative(sum(parts[1:], start=parts[0]))
