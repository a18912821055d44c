"""Norms become the standard operators, with their weights in the right shape."""

import pytest

from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_standard import FuseLayerNorm, FuseRmsNorm
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers, listing, rewritten

BOTH = (FuseLayerNorm(), FuseRmsNorm())
# Sums of a few numbers in another order, float32.
TOLERANCE = 5e-6
CONST = """axes = Constant<value_ints=[-1]>() eps = Constant<value_float=1e-5>()
    two = Constant<value_float=2.0>()"""
LAYER = """m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, axes)
    ve = Add(v, eps) r = Sqrt(ve) z = Div(d, r) """
RMS = "p = Pow(x, two) v = ReduceMean(p, axes) ve = Add(v, eps) r = Sqrt(ve) z = Div(x, r) "


def graph(body, x="B,S,8", w="8", const=CONST):
    return f"(float[{x}] x, float[{w}] w, float[{w}] b) => (float[{x}] y) {{ {const} {body} }}"


CASES = {
    "LayerNorm": (
        graph(LAYER + "s = Mul(z, w) y = Add(s, b)"),
        graph("y = LayerNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, w, b)", const=""),
    ),
    "RMSNorm": (
        graph(RMS + "y = Mul(w, z)"),
        graph("y = RMSNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, w)", const=""),
    ),
    "unit offset": (
        graph(RMS + "zw = Mul(z, w) y = Add(zw, z)"),
        graph("""one = Constant<value_float=1.0>() g = Add(w, one)
            y = RMSNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, g)""", const=""),
    ),
    "no weight": (
        graph(RMS.replace("z = Div", "y = Div"), x="B,S,2"),
        graph("""g = Constant<value = float[2] {1, 1}>()
            y = RMSNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, g)""",
            x="B,S,2", const=""),
    ),
    "weight of rank 3": (
        graph(RMS + "y = Mul(z, w)", w="1,1,8"),
        graph("""to = Constant<value_ints=[8]>() g = Reshape(w, to)
            y = RMSNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, g)""",
            w="1,1,8", const=""),
    ),
    "one weight for all": (
        graph(RMS + "y = Mul(z, w)", w="1"),
        graph("""to = Constant<value_ints=[8]>() g = Expand(w, to)
            y = RMSNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, g)""", w="1", const=""),
    ),
    "channels first": (
        graph(LAYER + "s = Mul(z, w) y = Add(s, b)", x="B,8,H,W", w="8,1,1",
              const=CONST.replace("[-1]", "[1]")),
        graph("""t = Transpose<perm=[0, 2, 3, 1]>(x) to = Constant<value_ints=[8]>()
            g = Reshape(w, to) h = Reshape(b, to)
            n = LayerNormalization<axis=-1, epsilon=1e-5, stash_type=1>(t, g, h)
            y = Transpose<perm=[0, 3, 1, 2]>(n)""", x="B,8,H,W", w="8,1,1", const=""),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_norms, *BOTH)


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_numbers(before, scale):
    assert_same_numbers(before, find_norms, *BOTH, rtol=TOLERANCE, scale=scale)


def test_a_half_precision_weight_takes_the_type_of_x():
    body = """f = Cast<to=1>(x) p = Mul(f, f) v = ReduceMean(p, axes) ve = Add(v, eps)
        r = Sqrt(ve) z = Div(f, r) s = Mul(z, w) y = Cast<to=10>(s)"""
    text = f"""(float16[B,S,8] x, float[8] w) => (float16[B,S,8] y) {{ {CONST} {body} }}"""
    assert listing(rewritten(text, find_norms, *BOTH)) == [
        "%1 = Cast<to=10>(w)",
        "%2 = RMSNormalization<axis=-1, epsilon=1e-05, stash_type=1>(x, %1)",
        "y = %2",
    ]
