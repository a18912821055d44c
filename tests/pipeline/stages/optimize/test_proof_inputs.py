"""Sizes and values of proofs: they must reach what a wrong rewrite would get wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.regions import cut
from pipeline.stages.optimize.proof_inputs import (
    ENOUGH,
    MAX_ELEMENTS,
    assignments,
    feeds_for,
    region_type,
)
from tests.pipeline.text_graphs import model_of


def region_of(body):
    """Return the whole graph of a text as a region whose replacement is itself."""
    model = model_of(body, 20)
    outputs, nodes = list(model.graph.outputs), list(model.graph)
    return cut(outputs, outputs, nodes, model.graph.inputs, Facts(model), {"": 20})


PRODUCT = region_of("(float[b, s] x, float[s, 4] w) => (float[b, 4] y) { y = MatMul(x, w) }")
TOTAL = region_of(
    "(float[p, 4] past, float[n, 4] new, float[t, 4] mask) => (float[t, 4] y) "
    "{ k = Concat<axis=0>(past, new)  y = Add(k, mask) }"
)


def always(_sizes):
    return True


def shapes(region, sizes):
    return [tuple(dim.evaluate(sizes) for dim in shape) for shape in region.shapes]


def test_sizes_are_distinct_one_equal_and_divisible_among_others():
    made = list(assignments(PRODUCT, frozenset(), always))
    assert len(made) == ENOUGH + 1
    assert all(sizes.keys() == {"b", "s"} for sizes in made)
    assert any(sizes["b"] != sizes["s"] for sizes in made)
    assert {"b": 1, "s": 1} in made
    assert any(sizes["b"] % 4 == 0 == sizes["s"] % 4 for sizes in made)


def test_zero_is_tried_for_names_that_may_be_zero_and_for_no_other():
    assert all(all(sizes.values()) for sizes in assignments(PRODUCT, frozenset(), always))
    made = list(assignments(PRODUCT, frozenset({"s", "elsewhere"}), always))
    assert {"b": 3, "s": 0} in made
    assert all(sizes["b"] for sizes in made)


def test_a_graph_without_names_has_one_assignment():
    region = region_of("(float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }")
    assert list(assignments(region, frozenset(), always)) == [{}]


def test_a_total_is_tried_as_the_sum_of_two_others():
    """Where inference ties the names itself there is nothing to try: so here nothing ties them."""
    apart = region_of(
        "(float[p] a, float[n] b, float[t] c) => (float[p] x, float[n] y, float[t] z) "
        "{ x = Relu(a)  y = Relu(b)  z = Relu(c) }"
    )

    def runs(sizes):
        return sizes["t"] == sizes["p"] + sizes["n"]

    made = list(assignments(apart, frozenset(), runs))
    assert made
    assert all(map(runs, made))
    assert len({tuple(sizes.values()) for sizes in made}) > 1


def test_where_nothing_runs_there_is_nothing():
    assert list(assignments(TOTAL, frozenset(), lambda sizes: False)) == []


def test_what_would_not_fit_into_memory_is_left_out():
    region = region_of("(float[b, s, 1000, 64] x) => (float[b, s, 1000, 64] y) { y = Relu(x) }")
    for sizes in assignments(region, frozenset(), always):
        assert all(np.prod(shape) <= MAX_ELEMENTS for shape in shapes(region, sizes))


def test_feeds_have_the_shapes_and_types_of_the_inputs():
    region = region_of(
        "(float16[b, s] x, int64[b, s] ids, bool[b, s] keep, float[7, 3] table) "
        "=> (float[b, s, 3] y, float16[b, s] z) { y = Gather(table, ids)  z = Where(keep, x, x) }"
    )
    feeds = feeds_for(region, {"b": 3, "s": 40}, "plain", 0)
    kinds = {v.name: feeds[f"i{i}"].dtype for i, v in enumerate(region.inputs)}
    assert kinds == {"x": np.float16, "ids": np.int64, "keep": bool, "table": np.float32}
    assert [feeds[f"i{i}"].shape for i in range(4)] == shapes(region, {"b": 3, "s": 40})
    assert region_type(region, 0).numpy() == feeds["i0"].dtype


def named(region, feeds):
    return {value.name: feeds[f"i{i}"] for i, value in enumerate(region.inputs)}


def test_ids_reach_every_row_of_their_table_and_no_further():
    region = region_of(
        "(int64[b, s] ids, float[7, 3] table) => (float[s, b, 3] y) "
        "{ flat = Transpose<perm=[1, 0]>(ids)  y = Gather(table, flat) }"
    )
    plain = region_of(
        "(int64[b, s] ids, float[7, 3] table) => (float[b, s, 3] y) "
        "{ again = Identity(ids)  y = Gather(table, again) }"
    )
    ids = named(plain, feeds_for(plain, {"b": 8, "s": 40}, "plain", 0))["ids"]
    assert set(ids.ravel()) == set(range(7))
    other = named(region, feeds_for(region, {"b": 8, "s": 40}, "plain", 0))["ids"]
    assert set(other.ravel()) == {1}, "not followed through a transposition: one is always safe"


MASKS = region_of("(int64[b, s] mask) => (float[b, s] y) { y = Cast<to=1>(mask) }")


@pytest.mark.parametrize(
    ("style", "holds"),
    [
        ("plain", lambda mask: mask.all()),
        ("holes", lambda mask: mask[:, 0].all() and (np.diff(mask) > 0).any()),
        ("large", lambda mask: (np.diff(mask) <= 0).all() and not mask.all()),
        ("masked-rows", lambda mask: not mask[0].any() and mask[1:].any()),
    ],
    ids=["plain", "holes", "large", "masked-rows"],
)  # fmt: skip
def test_masks_by_style(style, holds):
    (mask,) = feeds_for(MASKS, {"b": 4, "s": 30}, style, 1).values()
    assert set(np.unique(mask)) <= {0, 1}
    assert holds(mask), mask


def test_floats_by_style():
    sizes = {"b": 6, "s": 50}
    plain, large, masked = (
        named(PRODUCT, feeds_for(PRODUCT, sizes, style, 3))["x"]
        for style in ("plain", "large", "masked-rows")
    )
    assert 0.5 < plain.std() < 2
    assert large.std() > 4
    assert not masked[0].any()
    assert masked[1:].all()


def test_a_float_input_that_is_only_added_is_a_mask():
    feeds = named(TOTAL, feeds_for(TOTAL, {"p": 20, "n": 20}, "holes", 0))
    lowest = np.finfo(np.float32).min
    assert set(np.unique(feeds["mask"])) == {lowest, np.float32(0)}
    assert lowest not in feeds["past"]
    plain = named(TOTAL, feeds_for(TOTAL, {"p": 20, "n": 20}, "plain", 0))
    assert lowest not in plain["mask"]


KEYS = region_of("""
    (float[b, 3, s] x, float[b, s, 4, 2] keys, float[b, 1, 1, s] mask, float[b, 2, s, 3] size)
    => (float[b, 3, 8] y) {
    three = Constant<value_ints=[0, -1, 8]>()  k = Reshape(keys, three)  z = MatMul(x, k)
    n = Shape<start=2, end=3>(size)  one = Constant<value_ints=[1]>()
    m = Squeeze(mask, one)  w = Unsqueeze(m, one)  u = Add(mask, w)  v = ReduceSum(u)
    t = Cast<to=1>(n)  a = Add(z, v)  y = Add(a, t) }""")


def test_what_goes_through_views_into_a_product_is_no_mask():
    """Keys of a cache: the lowest number among them makes scores that no softmax survives."""
    feeds = named(KEYS, feeds_for(KEYS, {"b": 2, "s": 20}, "holes", 0))
    lowest = np.finfo(np.float32).min
    assert lowest not in feeds["keys"]
    assert lowest not in feeds["size"]  # its shape alone is read


def test_a_mask_may_go_through_views_and_into_an_attention():
    region = region_of("""
        (float[b, 1, s, 8] q, float[b, 1, s, 8] k, float[s, s] mask) => (float[b, 1, s, 8] y) {
        at = Constant<value_ints=[0, 1]>()  m = Unsqueeze(mask, at)  y = Attention(q, k, k, m) }""")
    feeds = named(region, feeds_for(region, {"b": 2, "s": 9}, "holes", 0))
    lowest = np.finfo(np.float32).min
    assert lowest in feeds["mask"]
    assert lowest not in feeds["q"]
    assert lowest not in feeds["k"]


def test_a_seed_decides_the_values():
    sizes = {"b": 2, "s": 5}
    one, same, other = (feeds_for(PRODUCT, sizes, "plain", seed)["i0"] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
