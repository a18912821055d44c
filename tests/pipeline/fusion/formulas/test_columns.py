"""Every way to cut and join the last axis is index arithmetic on columns."""

import pytest

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.columns import ColumnReader
from pipeline.fusion.rotary.columns import LinearColumns, SameColumns
from pipeline.graph.inference.facts import Facts
from tests.pipeline.text_graphs import model_of

CONST = """last = Constant<value_ints=[-1]>() zero = Constant<value_ints=[0]>()
    two = Constant<value_ints=[2]>() end = Constant<value_ints=[99]>()
    pairs = Constant<value_ints=[0, 0, 2, 2]>() flat = Constant<value_ints=[0, 0, 4]>()
    back = Constant<value_ints=[-1]>() low = Constant<value_ints=[-99]>()
    order = Constant<value_ints=[3, 1, 0]>() second = Constant<value_int=1>()"""


def read(body, reader):
    model = model_of(f"(float[B,S,4] x, float[B,S,4] u) => (float y) {{ {CONST} {body} }}")
    x, y = model.graph.inputs[0], model.graph.outputs[0]
    facts = Facts(model)
    return x, (LinearColumns(facts, x) if reader is LinearColumns else reader(facts)).read(y)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Slice(x, zero, two, last)", [0, 1]),
        ("y = Slice(x, zero, end, last, two)", [0, 2]),
        ("y = Slice(x, back, low, last, back)", [3, 2, 1, 0]),
        ("a, y = Split<axis=-1, num_outputs=2>(x)", [2, 3]),
        ("y = Gather<axis=-1>(x, order)", [3, 1, 0]),
        ("p = Reshape(x, pairs) y = Gather<axis=-1>(p, second)", [1, 3]),
        ("p = Reshape(x, pairs) t = Transpose<perm=[0, 1, 3, 2]>(p) y = Reshape(t, flat)",
         [0, 2, 1, 3]),
        ("a, b = Split<axis=2, num_outputs=2>(x) y = Concat<axis=2>(b, a)", [2, 3, 0, 1]),
        ("c = Cast<to=1>(x) y = Identity(c)", [0, 1, 2, 3]),
    ],
    ids=["slice", "stride", "reverse", "split", "gather", "pair", "transpose", "concat", "cast"],
)  # fmt: skip
def test_indexing(body, expected):
    x, block = read(body, LinearColumns)
    assert [entry == al.atom(al.Leaf(x, i)) for entry, i in zip(block, expected, strict=True)] == [
        True
    ] * len(expected)


def test_sums_products_and_signs():
    _, block = read("n = Neg(x) p = Mul(n, u) y = Add(p, x)", LinearColumns)
    (monomials,) = {tuple(sorted(entry.terms.values())) for entry in block}
    assert monomials == (-1.0, 1.0)


@pytest.mark.parametrize(
    "body",
    ["t = Transpose<perm=[1, 0, 2]>(x) y = Neg(t)", "y = Tanh(x)", "y = MatMul(x, x)"],
    ids=["leading axes", "not linear", "mixes"],
)
def test_what_is_not_linear_in_columns_is_one_unknown(body):
    x, block = read(body, LinearColumns)
    assert all(x not in {a.value for m in e.terms for a, _ in m} for e in block)


@pytest.mark.parametrize(
    ("body", "same"),
    [
        ("h = Slice(u, zero, two, last) y = Concat<axis=-1>(h, h)", True),
        ("h = Slice(u, zero, two, last) d = Concat<axis=-1>(h, h) c = Cos(d) y = Mul(c, c)", True),
        ("a, b = Split<axis=-1, num_outputs=2>(u) y = Concat<axis=-1>(a, b)", False),
        ("h = Slice(u, zero, two, last) c = Cos(h) s = Sin(h) y = Concat<axis=-1>(c, s)", False),
    ],
    ids=["twice", "through functions", "two halves", "two functions"],
)
def test_equal_columns(body, same):
    _, block = read(body, SameColumns)
    assert ([block[i] == block[i + 2] for i in range(2)] == [True, True]) is same


def test_a_reader_says_what_its_entries_are():
    with pytest.raises(NotImplementedError):
        read("y = Neg(x)", ColumnReader)
