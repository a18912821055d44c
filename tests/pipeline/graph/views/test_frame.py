"""Aligning axes splits and unifies factors in every role."""

import onnx_ir as ir
import pytest

from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.frame import AlignError, Frame, unit_view
from pipeline.graph.views.view import Factor


def axis(*sizes, broadcast=False):
    return tuple(Factor(Dim.of(size), broadcast) for size in sizes)


def frame_of(**roles):
    frame = Frame()
    for name, axes in roles.items():
        frame.put(name, unit_view(ir.Value(name=name), axes))
    return frame


def test_equal_sizes_become_one_factor():
    frame = frame_of(q=(axis("B"),), k=(axis("B"),))
    frame.align("q", 0, "k", 0)
    assert frame.axes("q")[0][0] is frame.axes("k")[0][0]


def test_a_longer_factor_is_split_in_its_data_too():
    frame = frame_of(q=(axis("B", 4),), k=(axis(Dim.of("B") * 4),))
    frame.align("q", 0, "k", 0)
    assert frame.axes("k")[0] == frame.axes("q")[0]
    assert frame.views["k"].source[0] == frame.axes("q")[0]


def test_an_axis_of_one_takes_factors_it_does_not_hold():
    frame = frame_of(q=(axis(4),), k=((),))
    frame.align("q", 0, "k", 0)
    (factor,) = frame.axes("k")[0]
    assert frame.holds("q", factor)
    assert not frame.holds("k", factor)


def test_a_repeat_meets_a_real_factor_and_stays_a_repeat():
    frame = frame_of(q=(axis(4),))
    kv, repeat = axis(2)[0], Factor(Dim.of(2), broadcast=True)
    frame.put("k", unit_view(ir.Value(name="k"), [(kv,)]).with_axes(((kv, repeat),)))
    frame.align("q", 0, "k", 0)
    first, second = frame.axes("q")[0]
    assert frame.holds("k", first)
    assert not frame.holds("k", second)


def test_sizes_that_do_not_factor_are_an_error_until_assumed():
    frame = frame_of(s=(axis("S"),), m=(axis("T"),))
    with pytest.raises(AlignError, match="S meets axis of T"):
        frame.align("s", 0, "m", 0)
    assert frame.assume("s", 0, "m", 0)
    assert frame.axes("m")[0] == frame.axes("s")[0]
