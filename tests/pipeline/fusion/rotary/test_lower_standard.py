"""Rotations become RotaryEmbedding with caches for every batch row."""

import pytest

from pipeline.fusion.rotary.find import find_rotaries
from pipeline.fusion.rotary.lower_standard import FuseRotary
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers, found_in

# One product and one sum in float32; a result cast to float16 may fall on the other side.
TOLERANCE, HALF_TOLERANCE = 1e-6, 1e-3
CONST = """zero = Constant<value_ints=[0]>() four = Constant<value_ints=[4]>()
    eight = Constant<value_ints=[8]>() last = Constant<value_ints=[-1]>()
    one = Constant<value_ints=[1]>() two = Constant<value_ints=[2]>()
    end = Constant<value_ints=[9223372036854775807]>() ones = Constant<value_ints=[1, 1]>()"""
TABLES = """ff = Concat<axis=-1>(f, f) c3 = Cos(ff) s3 = Sin(ff)
    cos = Unsqueeze(c3, {axis}) sin = Unsqueeze(s3, {axis}) """
TURN = """lo = Slice(x, zero, four, last, one) hi = Slice(x, four, end, last, one) nhi = Neg(hi)
    rx = Concat<axis=-1>(nhi, lo) xc = Mul(x, cos) xs = Mul(rx, sin) y = Add(xc, xs)"""
HALF = (
    TABLES.split("cos =")[0]
    + """cc = Slice(c3, zero, four, last, one)
    ss = Slice(s3, zero, four, last, one) """
)
FULL = """rows = Shape<start=0, end=1>(x) to = Concat<axis=0>(rows, ones)
    ce = Expand(cc, to) se = Expand(ss, to) """


def graph(body, x="B,2,S,8", f="1,S,4"):
    return f"(float[{x}] x, float[{f}] f) => (float[{x}] y) {{ {CONST} {body} }}"


HEADS_1, HEADS_2 = TABLES.format(axis="one"), TABLES.format(axis="two")
CASES = {
    "batch 1": (
        graph(HEADS_1 + TURN),
        graph(HALF + FULL
              + "y = RotaryEmbedding<interleaved=0>(x, ce, se)"),
    ),
    "a row for each batch": (
        graph(HEADS_1 + TURN, f="B,S,4"),
        graph(HALF + "y = RotaryEmbedding<interleaved=0>(x, cc, ss)",
              f="B,S,4"),
    ),
    "heads behind the length": (
        graph(HEADS_2 + TURN, x="B,S,2,8", f="B,S,4"),
        graph(HALF
              + """flat = Constant<value_ints=[0, 0, -1]>() x3 = Reshape(x, flat)
              r = RotaryEmbedding<interleaved=0, num_heads=2>(x3, cc, ss)
              back = Constant<value_ints=[0, 0, 2, 8]>() y = Reshape(r, back)""",
              x="B,S,2,8", f="B,S,4"),
    ),
    "tables with an axis for heads": (
        graph("ff = Concat<axis=-1>(f, f) cos = Cos(ff) sin = Sin(ff) " + TURN, f="B,1,S,4"),
        graph("""ff = Concat<axis=-1>(f, f) cos = Cos(ff) sin = Sin(ff)
              c3 = Squeeze(cos, one) cc = Slice(c3, zero, four, last, one)
              s3 = Squeeze(sin, one) ss = Slice(s3, zero, four, last, one)
              y = RotaryEmbedding<interleaved=0>(x, cc, ss)""", f="B,1,S,4"),
    ),
    "no heads": (
        graph(TABLES.split("cos =")[0] + TURN.replace("cos", "c3").replace("sin", "s3"),
              x="B,S,8", f="B,S,4"),
        graph(TABLES.split("cos =")[0]
              + """cc = Slice(c3, zero, four, last, one) ss = Slice(s3, zero, four, last, one)
              y = RotaryEmbedding<interleaved=0, num_heads=1>(x, cc, ss)""", x="B,S,8", f="B,S,4"),
    ),
    "the negative angle": (
        graph(HEADS_1 + TURN.replace("Neg(hi)", "Neg(lo)").replace("(nhi, lo)", "(hi, nhi)"),
              f="B,S,4"),
        graph(HALF
              + "ns = Neg(ss) y = RotaryEmbedding<interleaved=0>(x, cc, ns)", f="B,S,4"),
    ),
    "partial": (
        graph(HEADS_1 + "r = Slice(x, zero, eight, last, one) p = Slice(x, eight, end, last, one) "
              + TURN.replace("x,", "r,").replace("end", "eight").replace("Mul(rr", "Mul(rx")
              .replace("y = Add", "t = Add") + " y = Concat<axis=-1>(t, p)",
              x="B,2,S,12", f="B,S,4"),
        graph(HALF
              + "y = RotaryEmbedding<interleaved=0, rotary_embedding_dim=8>(x, cc, ss)",
              x="B,2,S,12", f="B,S,4"),
    ),
    "turned in float32": (
        graph(HEADS_1 + TURN.replace("xc = Mul(x,", "wx = Cast<to=1>(x) xc = Mul(wx,")
              .replace("xs = Mul(rx,", "wr = Cast<to=1>(rx) xs = Mul(wr,")
              .replace("y = Add", "t = Add") + " y = Cast<to=10>(t)", f="B,S,4")
        .replace("(float[B,2,S,8] x", "(float16[B,2,S,8] x").replace("=> (float[", "=> (float16["),
        graph(HALF + """w = Cast<to=1>(x)
              r = RotaryEmbedding<interleaved=0>(w, cc, ss) y = Cast<to=10>(r)""", f="B,S,4")
        .replace("(float[B,2,S,8] x", "(float16[B,2,S,8] x").replace("=> (float[", "=> (float16["),
    ),
    "interleaved": (
        graph("""f1 = Unsqueeze(f, last) fs = Concat<axis=-1>(f1, f1)
            to4 = Constant<value_ints=[0, 0, 8]>() ff = Reshape(fs, to4) c3 = Cos(ff) s3 = Sin(ff)
            cos = Unsqueeze(c3, one) sin = Unsqueeze(s3, one)
            even = Slice(x, zero, end, last, two) odd = Slice(x, one, end, last, two)
            nodd = Neg(odd) eo = Unsqueeze(nodd, last) ee = Unsqueeze(even, last)
            st = Concat<axis=-1>(eo, ee) shape = Shape(x) rx = Reshape(st, shape)
            xc = Mul(x, cos) xs = Mul(rx, sin) y = Add(xc, xs)""", f="B,S,4"),
        graph("""f1 = Unsqueeze(f, last) fs = Concat<axis=-1>(f1, f1)
            to4 = Constant<value_ints=[0, 0, 8]>() ff = Reshape(fs, to4) c3 = Cos(ff) s3 = Sin(ff)
            cc = Slice(c3, zero, eight, last, two) ss = Slice(s3, zero, eight, last, two)
            y = RotaryEmbedding<interleaved=1>(x, cc, ss)""", f="B,S,4"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_rotaries, FuseRotary())


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
def test_numbers(before):
    rtol = HALF_TOLERANCE if "float16" in before else TOLERANCE
    assert_same_numbers(before, find_rotaries, FuseRotary(), rtol=rtol)


PROJECTED = f"""(float[B,S,16] p, float[B,S,4] f) => (float[B,2,S,8] y) {{ {CONST}
    split = Constant<value_ints=[0, 0, 2, 8]>() p4 = Reshape(p, split)
    x = Transpose<perm=[0, 2, 1, 3]>(p4) {HEADS_1} {TURN} }}"""
AFTER = f"""(float[B,S,16] p, float[B,S,4] f) => (float[B,2,S,8] y) {{ {CONST}
    split = Constant<value_ints=[0, 0, 2, 8]>() {HALF} """


def test_heads_are_not_transposed_for_a_runtime_that_takes_rank_3():
    after = """r = RotaryEmbedding<interleaved=0, num_heads=2>(p, cc, ss)
        r4 = Reshape(r, split) y = Transpose<perm=[0, 2, 1, 3]>(r4) }"""
    assert_becomes(PROJECTED, AFTER + after, find_rotaries, FuseRotary())
    assert_same_numbers(PROJECTED, find_rotaries, FuseRotary(), rtol=TOLERANCE)


def test_heads_stay_transposed_for_tensorrt():
    after = """p4 = Reshape(p, split) x = Transpose<perm=[0, 2, 1, 3]>(p4)
        y = RotaryEmbedding<interleaved=0>(x, cc, ss) }"""
    assert_becomes(PROJECTED, AFTER + after, find_rotaries, FuseRotary("tensorrt"))


def test_a_rotation_before_the_split_into_heads_is_no_projection():
    """Heads of batch-folded rows vary fastest elsewhere: rank 3 would turn the wrong numbers."""
    text = PROJECTED.replace(
        "x = Transpose<perm=[0, 2, 1, 3]>(p4)",
        "to = Constant<value_ints=[0, 2, -1, 8]>() x = Reshape(p, to)",
    )
    (site,) = found_in(text, find_rotaries)
    assert site.projected is None
