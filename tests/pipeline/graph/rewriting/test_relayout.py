"""Layouts are emitted with the fewest nodes, and hold the right numbers."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import LayoutError, relayout, shape_operand
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.view import Factor, base_view, view_of
from tests.pipeline.text_graphs import model_of, numbers_of

HEADS = """(float[B,S,32] x) => (float[B,4,S,8] y) { t = Constant<value_ints=[0,0,4,8]>()
    a = Reshape(x, t) y = Transpose<perm=[0,2,1,3]>(a) }"""
X = np.random.default_rng(0).normal(size=(2, 5, 32)).astype(np.float32)


def emitted(text, target):
    """Return (operators, result for X) of the view of the output, laid out by `target(view)`."""
    model = model_of(text)
    facts = Facts(model)
    output = model.graph.outputs[0]
    view = view_of(output, facts)
    emit = Emitter(facts, output.producer(), "test", model.graph.inputs)
    value = relayout(emit, view, target(view))
    model.graph.extend(emit.nodes)
    for constant in emit.constants:
        if constant.name not in model.graph.initializers:
            model.graph.register_initializer(constant)
    value.type = ir.TensorType(ir.DataType.FLOAT)
    if value.is_graph_input():
        return [], X
    model.graph.outputs[0] = value
    return [node.op_type for node in emit.nodes], numbers_of(model, {"x": X})[0]


def test_a_view_that_is_undone_needs_no_node():
    ops, got = emitted(HEADS, lambda v: (v.axes[0], v.axes[2], v.axes[1] + v.axes[3]))
    assert ops == []
    np.testing.assert_array_equal(got, X)


def test_heads_to_the_front_take_a_reshape_and_a_transpose():
    ops, got = emitted(HEADS, lambda v: (v.axes[1], v.axes[0], v.axes[2], v.axes[3]))
    assert ops == ["Reshape", "Transpose"]
    np.testing.assert_array_equal(got, X.reshape(2, 5, 4, 8).transpose(2, 0, 1, 3))


def test_folding_computes_one_size_and_infers_the_other():
    ops, got = emitted(HEADS, lambda v: (v.axes[0] + v.axes[1], v.axes[2], v.axes[3]))
    assert ops == ["Reshape", "Transpose", "Shape", "Concat", "Reshape"]  # [-1, S, 8]
    np.testing.assert_array_equal(got, X.reshape(2, 5, 4, 8).transpose(0, 2, 1, 3).reshape(8, 5, 8))


def test_an_axis_of_one_is_an_unsqueeze():
    ops, got = emitted(HEADS, lambda v: (v.axes[0], (), v.axes[2], v.axes[1] + v.axes[3]))
    assert ops == ["Unsqueeze"]
    assert got.shape == (2, 1, 5, 32)


def test_a_factor_the_data_lacks_is_repeated():
    extra = Factor(base_view(*_whole()).shape[1])  # S once more
    ops, got = emitted(HEADS, lambda v: (v.axes[0], (extra,), v.axes[2], v.axes[1] + v.axes[3]))
    assert ops[-1] == "Expand"
    np.testing.assert_array_equal(got, np.broadcast_to(X[:, None], (2, 5, 5, 32)))


def _whole():
    model = model_of(HEADS)
    return model.graph.inputs[0], Facts(model)


def test_leaving_out_data_is_refused():
    with pytest.raises(LayoutError, match="have no place"):
        emitted(HEADS, lambda v: (v.axes[0], v.axes[2]))


def test_a_size_nobody_has_is_refused():
    model = model_of(HEADS)
    emit = Emitter(Facts(model), model.graph.outputs[0].producer(), "test")
    with pytest.raises(LayoutError, match="no axis of a graph input"):
        shape_operand(emit, [Dim.of("elsewhere")], model.graph.inputs[0])
