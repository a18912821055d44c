"""What is computed from a tensor gets its formula, also through dropped axes and casts."""

import pytest

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.cone import Cone
from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of


def cone_of(body, inputs="", admit=lambda value: False):
    """Return the cone of x in a graph whose output is y."""
    text = f"(float[B,S,4] x{inputs}) => (float y) {{ {body} }}"
    model = model_of(text)
    return Cone(Facts(model), model.graph.inputs[0], admit), model.graph.outputs[0]


def formula(body, **kwargs):
    cone, y = cone_of(body, **kwargs)
    return cone.expr(y), al.atom(cone.leaf)


def mean(x):
    return al.atom(al.Func("sum", x, (-1,))).scaled(0.25)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("two = Constant<value_float=2.0>() y = Pow(x, two)", lambda x: x.power(2)),
        ("n = Neg(x) y = Mul(n, n)", lambda x: x.power(2)),
        ("c = Cast<to=11>(x) y = Cast<to=1>(c)", lambda x: x),
        ("a = Constant<value_ints=[-1]>() y = ReduceMean(x, a)", mean),
        ("a = Constant<value_ints=[2]>() y = ReduceL2(x, a)",
         lambda x: al.atom(al.Func("sum", x.power(2), (-1,))).power(0.5)),
        ("a = Constant<value_ints=[-1]>() m = ReduceMean<keepdims=0>(x, a) y = Unsqueeze(m, a)",
         mean),
        ("a = Constant<value_ints=[-1]>() m = ReduceMean(x, a) s = Shape(x) y = Expand(m, s)",
         mean),
        ("e = Constant<value_float=0.5>() y = Max(e, x)",
         lambda x: al.atom(al.Func("floor", x, bound=0.5))),
    ],
    ids=["pow", "neg", "casts", "mean", "norm", "unsqueezed", "expanded", "floor"],
)  # fmt: skip
def test_formulas(body, expected):
    got, x = formula(body)
    assert got == expected(x)


@pytest.mark.parametrize(
    "body",
    [
        "a = Constant<value_ints=[-1]>() m = ReduceMean<keepdims=0>(x, a) y = Neg(m)",
        "y = Add(x, other)",
        "i = Cast<to=6>(x) y = Cast<to=1>(i)",
        "y = MatMul(x, other)",
        "s = Constant<value_ints=[-1, 2]>() r = Reshape(x, s) y = Neg(r)",
    ],
    ids=["dropped axis", "unknown tensor", "through integers", "matmul", "reshape"],
)
def test_no_formula(body):
    got, _ = formula(body, inputs=", float[4,4] other")
    assert got is None


def test_other_tensors_occur_when_admitted():
    got, x = formula("y = Mul(x, w)", inputs=", float[4] w", admit=lambda value: True)
    (monomial,) = got.terms
    assert len(monomial) == 2
    assert next(iter(x.terms)) < monomial


def test_what_varies_along_an_axis_stays_inside_the_sum():
    body = "a = Constant<value_ints=[-1]>() p = Mul(x, w) y = ReduceSum(p, a)"
    for shape, inside in (("4", 2), ("S,1", 1)):
        got, _ = formula(body, inputs=f", float[{shape}] w", admit=lambda value: True)
        (monomial,) = got.terms
        (reduced,) = [a for a, _ in monomial if isinstance(a, al.Func)]
        assert len(next(iter(reduced.arg.terms))) == inside


def test_a_reduction_is_constant_along_its_own_axes_only():
    text = """a = Constant<value_ints=[-1]>() m = ReduceMax(x, a) p = Mul(x, m)
        o = Constant<value_ints=[{axis}]>() y = ReduceSum(p, o)"""
    for axis, inside in ((-1, 1), (-2, 2)):
        got, _ = formula(text.format(axis=axis))
        (monomial,) = got.terms
        (reduced,) = [a for a, _ in monomial if isinstance(a, al.Func) and a.name == "sum"]
        assert len(next(iter(reduced.arg.terms))) == inside


def test_sizes_that_vary_are_not_counted():
    cone, _ = cone_of("y = Neg(x)")
    assert cone.count([-1]) == 4
    assert cone.count([-1, -2]) is None


VARIANCE = """a = Constant<value_ints=[-1]>() c = Constant<value_float={bound}>()
    f = Constant<value_float={factor}>() m = ReduceMean(x, a) p = Mul(x, x) q = ReduceMean(p, a)
    s = Mul(m, m) fs = Mul(f, s) v = Sub(q, fs) y = Max(v, c)"""


@pytest.mark.parametrize(
    ("bound", "factor", "is_bound_dropped"),
    [(0.0, 1.0, True), (-1.0, 0.5, True), (0.1, 1.0, False), (0.0, 1.1, False)],
)
def test_a_lower_bound_goes_where_the_formula_cannot_reach_it(bound, factor, is_bound_dropped):
    """A variance is never negative; more than the squared mean subtracted may well be."""
    found, _x = formula(VARIANCE.format(bound=bound, factor=factor))
    kinds = {a.name for a in al.atoms(found) if isinstance(a, al.Func)}
    assert ("floor" not in kinds) is is_bound_dropped


def test_relu_of_what_may_be_negative_has_no_formula():
    assert formula("y = Relu(x)")[0] is None
