"""Graphs with one operator of com.microsoft, computed by ONNX Runtime before and after."""

import numpy as np

from pipeline.graph.normalise import normalise
from pipeline.graph.normalise.contrib import ALL
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

X, SKIP = "float[B,S,8] x", "float[B,S,8] skip"
W, B = "float[8] w", "float[8] b"
SIZES = [{"S": 5, "T": 3, "P": 4}, {"S": 1, "T": 7, "P": 2}]


def text(inputs, body, outputs="float[B,S,8] y"):
    return f"({inputs}) => ({outputs}) {{ {body} }}"


def feeds(model, sizes):
    made = feeds_of(model, **sizes)
    for name, array in made.items():
        if name == "mask":
            array[...] = np.arange(array.shape[-1]) < np.array([[2], [1]])[: len(array)]
        elif name == "long":
            array[...] = np.array([2, 1])[: len(array)]
        elif array.dtype == np.int64:
            array[...] = array % 3
    return made


def assert_standard_form_gives_the_same(case, sizes):
    model = model_of(case)
    fed = feeds(model, {"B": 2, **sizes})
    expected = numbers_of(model, fed)
    normalise(model, 23, frozenset())
    assert not any((node.domain, node.op_type) in ALL and node.domain for node in model.graph)
    assert "SimplifiedLayerNormalization" not in {node.op_type for node in model.graph}
    for got, wanted in zip(numbers_of(model, fed), expected, strict=True):
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype
        # float32; QuickGelu and Softmax of the two kernels round apart by a few ulp
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)


def assert_stays(case):
    model = model_of(case)
    normalise(model, 23, frozenset())
    assert any(node.domain == "com.microsoft" for node in model.graph)
    assert model.graph.num_nodes() <= len(list(model_of(case).graph))
