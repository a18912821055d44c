"""The comparison of whole graphs sees what is shared, and neither names nor order."""

import pytest

from tests.pipeline.text_graphs import listing, model_of

TWICE = "(float[B] x) => (float[B] y) { a = Neg(x) b = Exp(a) c = Log(a) y = Add(b, c) }"


def test_names_and_order_do_not_show():
    other = "(float[B] x) => (float[B] y) { p = Neg(x) q = Log(p) r = Exp(p) y = Add(r, q) }"
    assert listing(model_of(TWICE)) == listing(model_of(other))
    assert listing(model_of(TWICE)) == [
        "%1 = Neg<>(x)", "%2 = Exp<>(%1)", "%3 = Log<>(%1)", "%4 = Add<>(%2, %3)", "y = %4"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        TWICE.replace("c = Log(a)", "n = Neg(x) c = Log(n)"),
        TWICE.replace("Add(b, c)", "Add(c, b)"),
        TWICE.replace("Log(a)", "Log(x)"),
        TWICE.replace("Neg(x)", "Selu<alpha=1.5>(x)"),
        TWICE.replace("y = Add", "y = com.microsoft.Add"),
    ],
    ids=["a node twice", "operands", "a wire", "an operator", "a domain"],
)
def test_everything_else_does(other):
    assert listing(model_of(TWICE)) != listing(model_of(other))


CONSTANT = "(float[B] x) => (float[B] y) { c = Constant<value = float {1.0}>() y = Add(x, c) }"


def test_constants_are_compared_by_what_they_hold():
    stored = "(float[B] x) => (float[B] y) <float w = {1.0}> { y = Add(x, w) }"
    assert listing(model_of(CONSTANT)) == listing(model_of(stored))
    assert listing(model_of(CONSTANT)) != listing(model_of(CONSTANT.replace("1.0", "1.5")))
    assert listing(model_of(CONSTANT)) != listing(model_of(CONSTANT.replace("float {", "double {")))


def test_bodies_are_part_of_it():
    text = """(bool c, float[B] x) => (float[B] y) {{ a = Neg(x) y = If <
        then_branch = t () => (float[B] u) {{ u = Exp({}) }},
        else_branch = e () => (float[B] v) {{ v = Abs(a) }}>(c) }}"""
    assert listing(model_of(text.format("a"))) != listing(model_of(text.format("x")))
