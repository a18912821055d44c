"""Rotations are found by which columns turn with which, not by how they are cut and joined."""

import pytest

from pipeline.fusion.rotary.find import EQUAL, PER_ROW, find_rotaries
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

CONST = """zero = Constant<value_ints=[0]>() four = Constant<value_ints=[4]>()
    eight = Constant<value_ints=[8]>() last = Constant<value_ints=[-1]>()
    one = Constant<value_ints=[1]>() two = Constant<value_ints=[2]>()
    end = Constant<value_ints=[9223372036854775807]>() scale = Constant<value_float=1.5>()"""
TABLES = """ff = Concat<axis=-1>(f, f) c3 = Cos(ff) s3 = Sin(ff)
    cos = Unsqueeze(c3, one) sin = Unsqueeze(s3, one) """
HALVES = "lo = Slice(x, zero, four, last, one) hi = Slice(x, four, end, last, one) "
TURNED = "nhi = Neg(hi) rx = Concat<axis=-1>(nhi, lo) "
SUM = "xc = Mul(x, cos) xs = Mul(rx, sin) y = Add(xc, xs)"
PAIRS = "even = Slice(x, zero, end, last, two) odd = Slice(x, one, end, last, two) "
STACKED = """nodd = Neg(odd) eo = Unsqueeze(nodd, last) ee = Unsqueeze(even, last)
    st = Concat<axis=-1>(eo, ee) shape = Shape(x) rx = Reshape(st, shape) """
TWICE = """f1 = Unsqueeze(f, last) fs = Concat<axis=-1>(f1, f1)
    to = Constant<value_ints=[0, 0, 8]>() ff = Reshape(fs, to) c3 = Cos(ff) s3 = Sin(ff)
    cos = Unsqueeze(c3, one) sin = Unsqueeze(s3, one) """


def graph(body, x="float[B,2,S,8] x", inputs="float[1,S,4] f", y="float[B,2,S,8] y"):
    return f"({x}, {inputs}) => ({y}) {{ {CONST} {body} }}"


FORMS = {
    "rotate half": (TABLES + HALVES + TURNED + SUM, "half-split 8"),
    "operands swapped": (
        TABLES + HALVES + TURNED + "xs = Mul(sin, rx) xc = Mul(cos, x) y = Add(xs, xc)",
        "half-split 8"),
    "split": (
        TABLES + "lo, hi = Split<axis=-1, num_outputs=2>(x) " + TURNED + SUM, "half-split 8"),
    "scaled tables": (
        TABLES.replace("cos =", "c4 = Mul(c3, scale) s4 = Mul(s3, scale) cos =")
        .replace("Unsqueeze(c3", "Unsqueeze(c4").replace("Unsqueeze(s3", "Unsqueeze(s4")
        + HALVES + TURNED + SUM, "half-split 8"),
    "two halves": (
        """c = Cos(f) s = Sin(f) cos = Unsqueeze(c, one) sin = Unsqueeze(s, one) """ + HALVES
        + """a = Mul(lo, cos) b = Mul(hi, sin) p = Sub(a, b) d = Mul(hi, cos) e = Mul(lo, sin)
        q = Add(d, e) y = Concat<axis=-1>(p, q)""", "half-split 8"),
    "interleaved": (TWICE + PAIRS + STACKED + SUM, "interleaved 8"),
    "interleaved in two": (
        """c = Cos(f) s = Sin(f) cos = Unsqueeze(c, one) sin = Unsqueeze(s, one) """ + PAIRS
        + """a = Mul(even, cos) b = Mul(odd, sin) p = Sub(a, b) d = Mul(odd, cos)
        e = Mul(even, sin) q = Add(d, e) pu = Unsqueeze(p, last) qu = Unsqueeze(q, last)
        st = Concat<axis=-1>(pu, qu) shape = Shape(x) y = Reshape(st, shape)""", "interleaved 8"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "form"), FORMS.values(), ids=FORMS.keys())
def test_forms(body, form):
    site = only_site(graph(body), find_rotaries)
    assert (site.x.name, site.form, site.head_axis) == ("x", form, 1)
    assert (site.cos.name, site.sin.name) == ("cos", "sin")
    assert [v.name for v in site.outputs] == ["y"]
    assert not site.rotation.backward


def test_partial():
    body = (
        TABLES
        + "r = Slice(x, zero, eight, last, one) p = Slice(x, eight, end, last, one) "
        + HALVES.replace("(x", "(r").replace("end", "eight")
        + TURNED
        + "rc = Mul(r, cos) rs = Mul(rx, sin) t = Add(rc, rs) y = Concat<axis=-1>(t, p)"
    )
    text = graph(body, x="float[B,2,S,12] x", y="float[B,2,S,12] y")
    site = only_site(text, find_rotaries)
    assert (site.x.name, site.form) == ("x", "half-split 8 of 12")


def test_a_part_that_goes_elsewhere_is_left_outside():
    """With a second consumer of the turned part, only that part is the site."""
    body = (
        TABLES
        + "r = Slice(x, zero, eight, last, one) p = Slice(x, eight, end, last, one) "
        + HALVES.replace("(x", "(r").replace("end", "eight")
        + TURNED
        + "rc = Mul(r, cos) rs = Mul(rx, sin) t = Add(rc, rs) y = Concat<axis=-1>(t, p)"
        + " y2 = Neg(t)"
    )
    outputs = "float[B,2,S,12] y, float[B,2,S,8] y2"
    site = only_site(graph(body, x="float[B,2,S,12] x", y=outputs), find_rotaries)
    assert (site.x.name, site.form) == ("r", "half-split 8")


def test_the_negative_angle():
    site = only_site(
        graph(TABLES + HALVES + "nlo = Neg(lo) rx = Concat<axis=-1>(hi, nlo) " + SUM),
        find_rotaries,
    )
    assert site.rotation.backward


def test_a_float32_island_is_turned_in_float32():
    body = TABLES + "w = Cast<to=1>(x) " + HALVES.replace("(x", "(w") + TURNED
    body += SUM.replace("Mul(x", "Mul(w").replace("y =", "t =") + " y = Cast<to=10>(t)"
    text = graph(body, x="float16[B,2,S,8] x", y="float16[B,2,S,8] y")
    site = only_site(text, find_rotaries)
    assert (site.x.name, [v.name for v in site.outputs]) == ("w", ["t"])


def test_a_half_turned_before_its_cast():
    """Exporters cast x and its turned half one by one; x itself stays the operand."""
    body = TABLES + HALVES + TURNED + "wx = Cast<to=1>(x) wr = Cast<to=1>(rx) "
    body += "xc = Mul(wx, cos) xs = Mul(wr, sin) t = Add(xc, xs) y = Cast<to=10>(t)"
    text = graph(body, x="float16[B,2,S,8] x", y="float16[B,2,S,8] y")
    site = only_site(text, find_rotaries)
    assert (site.x.name, [v.name for v in site.outputs]) == ("x", ["t"])


@pytest.mark.parametrize(
    ("x", "axis", "head_axis"),
    [("B,S,2,8", 2, 2), ("B,S,8", None, None)],
    ids=["heads behind the length", "no heads"],
)
def test_layouts(x, axis, head_axis):
    tables = TABLES.replace("one)", "two)") if axis == 2 else TABLES.split("cos =")[0]
    names = SUM if axis else SUM.replace("cos", "c3").replace("sin", "s3")
    text = graph(tables + HALVES + TURNED + names, x=f"float[{x}] x", y=f"float[{x}] y")
    assert only_site(text, find_rotaries).head_axis == head_axis


def test_constant_tables_are_compared_by_contents():
    values = ", ".join(str(v) for v in (0.1, 0.2, 0.3, 0.4) * 2)
    tables = (
        f"cos = Constant<value = float[1,1,1,8] {{{values}}}>()"
        f" sin = Constant<value = float[1,1,1,8] {{{values}}}>() "
    )
    text = graph(tables + HALVES + TURNED + SUM, x="float[B,2,1,8] x", y="float[B,2,1,8] y")
    assert only_site(text, find_rotaries).form == "half-split 8"
    other = text.replace("0.4, 0.1", "0.4, 0.9", 1)
    assert "columns 0 and 4 of cos" in only_refusal(other, find_rotaries).reason


def test_tables_whose_halves_may_differ_are_refused():
    body = HALVES + TURNED + SUM
    text = graph(body, inputs="float[1,1,S,8] cos, float[1,1,S,8] sin")
    refusal = only_refusal(text, find_rotaries)
    assert refusal.step == EQUAL
    assert "columns 0 and 4 of cos turn one pair" in refusal.reason
    assert "Concat of the same half twice" in refusal.remedy


def test_tables_that_vary_along_heads_are_refused():
    tables = "ff = Concat<axis=-1>(f, f) cos = Cos(ff) sin = Sin(ff) "
    text = graph(tables + HALVES + TURNED + SUM, inputs="float[1,2,S,4] f")
    refusal = only_refusal(text, find_rotaries)
    assert refusal.step == PER_ROW
    assert "[1, 2, S, 8]: not one row per position" in refusal.reason


@pytest.mark.parametrize(
    "body",
    [
        TABLES + HALVES + "rx = Concat<axis=-1>(hi, lo) " + SUM,
        TABLES + HALVES + "nlo = Neg(lo) rx = Concat<axis=-1>(nlo, hi) " + SUM,
        TABLES + HALVES + TURNED + "xc = Mul(x, cos) xs = Mul(rx, rx) y = Add(xc, xs)",
        TABLES + HALVES + TURNED + SUM.replace("y = Add", "z = Mul") + " y = Add(z, x)",
    ],
    ids=["no sign", "no exchange", "no sine", "a product"],
)
def test_other_mixtures_are_not_mentioned(body):
    assert found_in(graph(body), find_rotaries) == []
