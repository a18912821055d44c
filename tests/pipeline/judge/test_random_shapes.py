"""Random shapes, broadcasts and empty tensors against onnx.reference."""

import warnings

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.pipeline.judge.one_node import assert_same, by_reference, feeds_of, judged, model_of

SIZES = st.integers(0, 4)
BROADCASTS = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3)
SHAPES = st.lists(SIZES, min_size=1, max_size=4).map(tuple)
BOOL = onnx.TensorProto.BOOL


def values(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def compare(kind: str, inputs: list[np.ndarray | None], **keywords: object) -> None:
    model = model_of(kind, inputs, opset=21, **keywords)
    feeds = feeds_of(model, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy on empty slices
        theirs = by_reference(model, feeds)
    # float32 against float64 over a few dozen terms
    assert_same(judged(model, feeds), theirs, 1e-5)


@pytest.mark.parametrize("kind", ["Add", "Mul", "Div", "Max", "Less", "PRelu"])
@given(shapes=BROADCASTS)
@settings(max_examples=25, deadline=None)
def test_pairs_broadcast(kind, shapes):
    a, b = shapes.input_shapes
    if kind == "PRelu" and shapes.result_shape != a:
        return  # its slope broadcasts one way only
    types = {0: BOOL} if kind == "Less" else None
    compare(kind, [values(a, 0), values(b, 1)], output_types=types)


@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3))
@settings(max_examples=25, deadline=None)
def test_where_broadcasts_three(shapes):
    c, a, b = shapes.input_shapes
    inputs = [values(c, 2) > 0, values(a, 0), values(b, 1)]
    compare("Where", inputs, output_types={0: onnx.TensorProto.FLOAT})


@given(
    shapes=hnp.mutually_broadcastable_shapes(
        signature="(n,k),(k,m)->(n,m)", max_dims=2, min_side=0, max_side=3
    )
)
@settings(max_examples=25, deadline=None)
def test_matmul_batches(shapes):
    a, b = shapes.input_shapes
    compare("MatMul", [values(a, 0), values(b, 1)])


@given(shape=SHAPES, data=st.data())
@settings(max_examples=40, deadline=None)
def test_slices(shape, data):
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1))
    bounds = st.integers(-6, 6) | st.sampled_from([np.iinfo(np.int64).max, -(2**62)])
    starts, ends = ([data.draw(bounds) for _ in axes] for _ in range(2))
    steps = [data.draw(st.sampled_from([1, 2, -1, -3])) for _ in axes]
    compare("Slice", [values(shape, 0), *map(np.array, (starts, ends, axes, steps))])


@given(shape=SHAPES, data=st.data())
@settings(max_examples=25, deadline=None)
def test_gathers(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    inner = data.draw(st.lists(SIZES, max_size=2).map(tuple))
    index = np.random.default_rng(0).integers(-size, max(size, 1), inner)
    if size == 0:
        index = index.reshape(-1)[:0]
    compare("Gather", [values(shape, 0), index], axis=axis)


@given(shape=st.lists(SIZES, min_size=1, max_size=4), data=st.data())
@settings(max_examples=25, deadline=None)
def test_reshapes_that_copy_and_infer(shape, data):
    target = [data.draw(st.sampled_from([s, 0])) for s in shape]
    target[data.draw(st.integers(0, len(shape) - 1))] = -1
    rest = [shape[i] for i, t in enumerate(target) if t != -1]
    if 0 in rest:
        return  # numpy cannot infer beside an empty size
    compare("Reshape", [values(tuple(shape), 0), np.array(target)])


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMax", "ReduceL2", "ReduceProd"])
@given(shape=SHAPES, data=st.data())
@settings(max_examples=25, deadline=None)
def test_reductions(kind, shape, data):
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1))
    keep = data.draw(st.sampled_from([0, 1]))
    compare(kind, [values(shape, 0), np.array(axes)], keepdims=keep)


@given(shape=SHAPES, data=st.data())
@settings(max_examples=25, deadline=None)
def test_softmax_and_sums_along_an_axis(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    compare("Softmax", [values(shape, 0)], axis=axis) if shape[axis] else None
    compare(
        "CumSum", [values(shape, 0), np.array(axis)], exclusive=data.draw(st.sampled_from([0, 1]))
    )
