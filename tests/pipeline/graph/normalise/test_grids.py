"""Gathers that read a whole tensor in order become views; all others stay."""

import pytest

from pipeline.graph.normalise import normalise
from tests.pipeline.graph.normalise.equal import assert_equal_after, ops_of
from tests.pipeline.text_graphs import model_of

# The padding mask of a decoder, as torch.export writes mask[batch[:, None, None, None], key].
GRID = """zero = Constant<value_int=0>() one = Constant<value_int=1>()
    shape = Shape(x) b0 = Constant<value_int=0>() b1 = Constant<value_int=1>()
    rows = Gather(shape, b0) length = Gather(shape, b1)
    batch = Range({start}, rows, one) key = Range(zero, {stop}, {step})
    ax0 = Constant<value_ints=[0]>() ax1 = Constant<value_ints=[1]>()
    last = Constant<value_ints=[-1]>() right = Constant<value_ints=[1, 2, 3]>()
    left = Constant<value_ints=[0, 1, 2]>()
    b4 = Unsqueeze(batch, {rows_at}) k4 = Unsqueeze(key, {key_at})
    both = Max(b4, k4) to = Shape(both) be = Expand(b4, to) ke = Expand(k4, to)
    bu = Unsqueeze(be, last) ku = Unsqueeze(ke, last) at = Concat<axis=-1>({stack})
    g = GatherND<batch_dims=0>(x, at) y = Neg(g)"""
PLAIN = {"start": "zero", "stop": "length", "step": "one", "rows_at": "right", "key_at": "left",
         "stack": "bu, ku"}  # fmt: skip


def graph(x="B,L", y="B,1,1,L", **changed):
    return f"(float[{x}] x) => (float[{y}] y) {{ {GRID.format(**PLAIN | changed)} }}"


def test_a_grid_of_all_indices_is_a_view():
    assert ops_of(assert_equal_after(graph())) == ["Unsqueeze", "Neg"]


def test_axes_that_are_taken_whole_follow():
    ops = ops_of(assert_equal_after(graph("B,L,3", "B,1,1,L,3")))
    assert ops == ["Unsqueeze", "Neg"]


def repeated(text, sizes):
    """Return the graph with its grid expanded to other sizes."""
    return text.replace("to = Shape(both)", f"to = Constant<value_ints={sizes}>()")


KEPT = {
    "fewer keys": graph(y="B,1,1,K", stop="ten").replace(
        "batch =", "two = Constant<value_int=2>() ten = Sub(length, two) batch ="
    ),
    "every second key": graph(y="B,1,1,K", step="two").replace(
        "batch =", "two = Constant<value_int=2>() batch ="
    ),
    "rows from 1": graph(y="C,1,1,L", start="one"),
    "keys in front": graph(y="L,1,1,B", rows_at="left", key_at="right"),
    "square, swapped": graph("4,4", "4,1,1,4", stack="ku, bu"),
    "rows from the last": graph(y="C,1,1,L", start="minus").replace(
        "batch = Range(minus, rows, one)",
        "minus = Constant<value_int=-1>() end = Sub(rows, one) batch = Range(minus, end, one)",
    ),
    "keys backwards": graph(y="B,1,1,K", stop="end", step="minus").replace(
        "batch =", "minus = Constant<value_int=-1>() end = Neg(length) batch ="
    ),
    "the first key, repeated": repeated(graph("2,5", "2,1,1,5", stop="one"), [2, 1, 1, 5]),
    "the only key, repeated": repeated(graph("2,1", "2,1,1,5"), [2, 1, 1, 5]),
    "everything, three times": graph(y="B,3,1,L").replace(
        "to = Shape(both)",
        "r1 = Unsqueeze(rows, ax0) l1 = Unsqueeze(length, ax0) "
        "mid = Constant<value_ints=[3, 1]>() to = Concat<axis=0>(r1, mid, l1)",
    ),
    "of a batch": """(float[N,N,N] x) => (float[N,N,N] y) {
        zero = Constant<value_int=0>() one = Constant<value_int=1>()
        ax1 = Constant<value_ints=[1]>() last = Constant<value_ints=[-1]>()
        to = Shape(x) n = Gather(to, zero) key = Range(zero, n, one) column = Unsqueeze(key, ax1)
        ie = Expand(column, to) je = Expand(key, to) iu = Unsqueeze(ie, last)
        ju = Unsqueeze(je, last) at = Concat<axis=-1>(iu, ju)
        g = GatherND<batch_dims=1>(x, at) y = Neg(g) }""",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
def test_other_grids_stay(text):
    assert "GatherND" in ops_of(assert_equal_after(text))


def test_rows_of_a_batch_are_gathered():
    text = """(float[B,L] x, int64[B,1] at) => (float[B] y)
        { g = GatherND<batch_dims=1>(x, at) y = Neg(g) }"""
    assert ops_of(assert_equal_after(text)) == ["GatherND", "Neg"]


@pytest.mark.parametrize(
    ("inner", "outer", "joined"),
    [([0], [0], [0, 1]), ([1], [0], [0, 2]), ([-1], [0, 1], [0, 1, 4]), ([0, 3], [2], [0, 2, 4])],
)
def test_axes_are_put_in_at_once(inner, outer, joined):
    rank = 2 + len(inner) + len(outer)
    shape = iter("BS")
    dims = ",".join("1" if axis in joined else next(shape) for axis in range(rank))
    text = f"""(float[B,S] x) => (float[{dims}] y) {{ i = Constant<value_ints={inner}>()
        o = Constant<value_ints={outer}>() a = Unsqueeze(x, i) b = Unsqueeze(a, o) y = Neg(b) }}"""
    model = assert_equal_after(text)
    assert ops_of(model) == ["Unsqueeze", "Neg"]
    axes = model.graph.node(0).inputs[1].const_value.numpy()
    assert axes.tolist() == joined


def test_a_view_that_others_read_stays():
    text = """(float[B,S] x) => (float[1,1,B,S] y, float[1,B,S] z) {
        o = Constant<value_ints=[0]>() a = Unsqueeze(x, o) b = Unsqueeze(a, o)
        y = Neg(b) z = Neg(a) }"""
    assert sorted(ops_of(assert_equal_after(text))) == ["Neg", "Neg", "Unsqueeze", "Unsqueeze"]


def test_an_index_made_of_nothing_stays():
    """A node without inputs may stand anywhere in a file; this one no runtime runs."""
    text = """(float[B,S] x) => (float[3] y) {
        r = RandomUniform<shape=[3]>() i = Cast<to=7>(r) last = Constant<value_ints=[-1]>()
        u = Unsqueeze(i, last) k = Concat<axis=-1>(u, u)
        g = GatherND<batch_dims=0>(x, k) y = Neg(g) }"""
    model = model_of(text, 23)
    normalise(model, 23)
    assert "GatherND" in ops_of(model)


def test_axes_of_an_old_opset_are_left():
    text = """(float[B,S] x) => (float[1,1,B,S] y) {
        a = Unsqueeze<axes=[0]>(x) b = Unsqueeze<axes=[0]>(a) y = Neg(b) }"""
    model = assert_equal_after(text, opset=11, target=None)
    assert ops_of(model) == ["Unsqueeze", "Unsqueeze", "Neg"]
