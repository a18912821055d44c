"""A mask that hides what is written later is known by its sums; every other one is not."""

import pytest

from pipeline.fusion.ort.in_place.write_order import sees_no_later
from pipeline.graph.inference.facts import Facts
from tests.pipeline.in_place_graphs import OPSET, PLACES
from tests.pipeline.text_graphs import model_of


def shown(mask, inputs=""):
    """Return whether a mask `m` of these operators hides what is written later."""
    text = f"(float[B,S,64] q, int64[B] at{inputs}) => (bool[B,1,S,12] m) {{ {PLACES} {mask} }}"
    model = model_of(text, OPSET)
    values = {v.name: v for v in (*model.graph.inputs, *model.graph.outputs)}
    return sees_no_later(values["m"], values["at"], Facts(model))


ORDERED = {
    "at most": "m = LessOrEqual(place, last)",
    "at least": "m = GreaterOrEqual(last, place)",
    "below the next": "next = Add(last, one) m = Less(place, next)",
    "the next above": "next = Add(one, last) m = Greater(next, place)",
    "strictly before": "m = Less(place, last)",
    "one side only": "away = Sub(place, last) m = LessOrEqual(away, zero)",
    "for each head": """wide = Constant<value_ints=[1, 4, 1, 1]>()
        order = LessOrEqual(place, last) m = Expand(order, wide)""",
    "in int32": "p = Cast<to=6>(place) l = Cast<to=6>(last) m = LessOrEqual(p, l)",
    "and a window": """four = Constant<value = int64 {4}>() from = Sub(last, four)
        near = Greater(place, from) order = LessOrEqual(place, last) m = And(near, order)""",
}


@pytest.mark.parametrize("mask", ORDERED.values(), ids=ORDERED)
def test_what_hides_later_keys(mask):
    assert shown(mask)


OPEN = {
    "one too far": "next = Add(last, one) m = LessOrEqual(place, next)",
    "the other way round": "m = LessOrEqual(last, place)",
    "twice as far": "far = Add(last, last) m = LessOrEqual(place, far)",
    "either of two": """far = GreaterOrEqual(place, last) order = LessOrEqual(place, last)
        m = Or(far, order)""",
    "a window alone": "m = Greater(place, last)",
    "positions from 1": """one1 = Constant<value = int64[12] {1,2,3,4,5,6,7,8,9,10,11,12}>()
        next = Add(last, one) further = Add(next, one) m = LessOrEqual(one1, further)""",
    "steps of two": """evens = Constant<value = int64[12] {0,2,4,6,8,10,12,14,16,18,20,22}>()
        half = Div(evens, one) m = LessOrEqual(half, last)""",
}


@pytest.mark.parametrize("mask", OPEN.values(), ids=OPEN)
def test_what_may_show_them(mask):
    assert not shown(mask)


def test_positions_from_1_against_the_next():
    text = """p = Constant<value = int64[12] {1,2,3,4,5,6,7,8,9,10,11,12}>()
        next = Add(last, one) m = LessOrEqual(p, next)"""
    assert shown(text)


def test_a_mask_handed_in_says_nothing():
    assert not shown("m = Identity(given)", ", bool[B,1,S,12] given")


def test_other_rows_than_those_written():
    assert not shown("w = Unsqueeze(other, u13) m = LessOrEqual(place, w)", ", int64[B,S] other")
