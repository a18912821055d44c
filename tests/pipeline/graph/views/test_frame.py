"""Aligning axes splits and unifies factors in every view that is read through the frame."""

import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame, assumed
from pipeline.graph.views.view import Factor, View, base_view, unit_view
from tests.pipeline.text_graphs import model_of


def axis(*sizes, broadcast=False):
    return tuple(Factor(Dim.of(size), broadcast) for size in sizes)


def view_by(*axes) -> View:
    return unit_view(ir.Value(name="x"), axes)


def test_equal_sizes_become_one_factor():
    q, k = Frame().align(view_by(axis("B")), 0, view_by(axis("B")), 0)
    assert q.axes[0][0] is k.axes[0][0]


def test_a_longer_factor_is_split_in_its_data_too():
    q, k = Frame().align(view_by(axis("B", 4)), 0, view_by(axis(Dim.of("B") * 4)), 0)
    assert k.axes == k.source == q.axes


def test_views_that_took_no_part_are_read_in_the_new_factors():
    frame, whole = Frame(), axis(Dim.of("B") * 4)
    bystander = view_by(whole)
    q, _ = frame.align(view_by(axis("B", 4)), 0, view_by(whole), 0)
    assert frame.view(bystander).axes == q.axes
    assert frame.axis(whole) == q.axes[0]


def test_an_axis_of_one_takes_factors_it_does_not_hold():
    q, k = Frame().align(view_by(axis(4)), 0, view_by(()), 0)
    assert k.axes == q.axes
    assert q.held == set(q.axes[0])
    assert not k.held


def test_a_repeat_meets_a_real_factor_and_stays_a_repeat():
    kv, repeat = axis(2)[0], Factor(Dim.of(2), broadcast=True)
    grouped = view_by((kv,)).with_axes(((kv, repeat),))
    q, k = Frame().align(view_by(axis(4)), 0, grouped, 0)
    first, second = q.axes[0]
    assert first in k.held
    assert second not in k.held


def test_sizes_that_do_not_factor_are_an_error_until_assumed():
    scores, mask = view_by(axis("S")), view_by(axis("T"))
    with pytest.raises(AlignError, match="S meets axis of T"):
        Frame().align(scores, 0, mask, 0)
    spread = assumed(mask, 0, scores.axes[0])
    assert spread is not None
    assert spread.axes == spread.source == scores.axes


def test_only_a_whole_axis_of_the_data_can_be_assumed():
    part, rest = axis("T", 2)
    joined = View(ir.Value(name="x"), ((part,), (rest,)), ((part, rest),))
    assert assumed(joined, 0, axis("S")) is None
    assert assumed(view_by(axis("T")), 0, ()) is None


def test_a_trial_that_fails_leaves_nothing_behind():
    frame, left, right = Frame(), axis(Dim.of("B") * 4, "S"), axis("B", 4, "T")
    with pytest.raises(AlignError), frame.trial():
        frame.unify(left, right)
    assert frame.axis(left) == left
    assert frame.axis(right) == right
    with frame.trial():
        frame.unify(left[:1], right[:2])
    assert frame.axis(left[:1]) == frame.axis(right[:2])


def test_what_a_layout_splits_is_split_in_every_view():
    text = """(float[B,S,8] x) => (float[B,S,2,4] y) {
        to = Constant<value_ints=[0, 0, 2, 4]>() y = Reshape(x, to) }"""
    model = model_of(text)
    facts, frame = Facts(model), Frame()
    view = base_view(model.graph.inputs[0], facts)
    assert view is not None
    (reshape,) = [n for n in model.graph if n.op_type == "Reshape"]
    moved = frame.rearranged(view, reshape, facts)
    assert moved is not None
    assert [str(size) for size in moved.shape] == ["B", "S", "2", "4"]
    assert frame.axis(view.axes[2]) == moved.axes[2] + moved.axes[3]


def test_a_layout_that_does_not_factor_is_none():
    text = """(float[B,6] x) => (float[N,4] y) {
        to = Constant<value_ints=[-1, 4]>() y = Reshape(x, to) }"""
    model = model_of(text)
    facts, frame = Facts(model), Frame()
    view = base_view(model.graph.inputs[0], facts)
    assert view is not None
    (reshape,) = [n for n in model.graph if n.op_type == "Reshape"]
    assert frame.rearranged(view, reshape, facts) is None
    assert frame.view(view).axes == view.axes
