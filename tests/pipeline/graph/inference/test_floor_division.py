"""Floor division as exporters write it."""

import pytest

from tests.pipeline.graph.inference.claims import assert_claims, ints_of

TEXT = """(float[B,S] x) => (int64 n) {{ s = Shape<start=1>(x) m = Constant<value_ints=[{less}]>()
a1 = Sub(s, m) a = Squeeze(a1) b = Constant<value_int=4>() q = Div(a, b) sa = Sign(a)
sb = {sign} e = Equal(sa, sb) d = Not(e) r = Mod(a, b) c = Cast<to=9>(r)
both = And({both}) k = Cast<to=7>(both) n = Sub(q, k) }}"""


@pytest.mark.parametrize("sign", ["Sign(b)", "Constant<value_int=1>()"], ids=["sign", "folded"])
@pytest.mark.parametrize("both", ["d, c", "c, d"])
@pytest.mark.parametrize(("less", "expected"), [(0, "(S // 4)"), (6, "-2 + ((2 + S) // 4)")])
def test_the_quotient(less, expected, both, sign):
    text = TEXT.format(less=less, both=both, sign=sign)
    assert ints_of(text) == expected
    assert_claims(text)


def test_another_remainder_is_not_taken_for_it():
    text = TEXT.format(less=6, both="d, c", sign="Sign(b)").replace("Mod(a, b)", "Mod(b, b)")
    with pytest.raises(AssertionError):
        ints_of(text)
    assert_claims(text)
