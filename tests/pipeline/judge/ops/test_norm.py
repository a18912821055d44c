"""Normalisations against ONNX Runtime."""

import numpy as np
import onnx
import pytest

from tests.pipeline.judge.one_node import (
    MS,
    assert_same,
    by_ort,
    feeds_of,
    judged,
    model_of,
    normal,
)

# float32 sums of a few dozen terms against float64
TOLERANCE = 2e-5
X, SKIP, G, BETA = normal(2, 5, 8), normal(2, 5, 8, seed=1), normal(8, seed=2), normal(8, seed=3)
IMAGE = normal(2, 6, 4, 3)
CASES = {
    "LayerNormalization": [
        ([X, G, BETA], 3, {}),
        ([X, G], 1, {"axis": -1, "epsilon": 1e-2}),
        ([X, normal(5, 8), normal(5, 8)], 3, {"axis": 1}),
    ],
    "RMSNormalization": [([X, G], 1, {}), ([X, normal(5, 8)], 1, {"axis": -2, "epsilon": 0.1})],
    "SimplifiedLayerNormalization": [([X, G], 1, {"epsilon": 1e-6})],
    "GroupNormalization": [([IMAGE, normal(6), normal(6)], 1, {"num_groups": 2})],
    "InstanceNormalization": [([IMAGE, normal(6), normal(6)], 1, {"epsilon": 1e-3})],
    "BatchNormalization": [([IMAGE, *(np.abs(normal(6, seed=s)) for s in range(4))], 1, {})],
    "LpNormalization": [([X], 1, {"axis": 1, "p": 2})],
}
FLAT = [(kind, i) for kind, cases in CASES.items() for i in range(len(cases))]


@pytest.mark.parametrize(("kind", "index"), FLAT, ids=lambda v: str(v))
def test_standard(kind, index):
    inputs, outputs, attributes = CASES[kind][index]
    opset = 23 if kind == "RMSNormalization" else 21
    model = model_of(kind, inputs, outputs, opset=opset, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


CONTRIB = {
    "skip": ("SkipLayerNormalization", [X, SKIP, G, BETA], {"epsilon": 1e-5}),
    "skip, no beta": ("SkipLayerNormalization", [X, SKIP, G], {}),
    "skip, bias": ("SkipLayerNormalization", [X, SKIP, G, BETA, normal(8)], {}),
    "skip broadcast": ("SkipLayerNormalization", [X, SKIP[:1], G, BETA], {}),
    "simplified": ("SkipSimplifiedLayerNormalization", [X, SKIP, G], {"epsilon": 1e-6}),
    "simplified, bias": ("SkipSimplifiedLayerNormalization", [X, SKIP, G, normal(8)], {}),
}


@pytest.mark.parametrize("name", CONTRIB)
def test_skip_and_sum(name):
    kind, inputs, attributes = CONTRIB[name]
    model = model_of(kind, inputs, 4, domain=MS, opset=18, **attributes)
    del model.graph.output[1:3]
    model.graph.node[0].output[1] = model.graph.node[0].output[2] = ""
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


@pytest.mark.parametrize("segments", [False, True], ids=["words", "segments"])
def test_embed_layer_norm(segments):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 11, (2, 5)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0, 0], [1] * 5], np.int32)
    kinds = rng.integers(0, 2, (2, 5)).astype(np.int32) if segments else None
    table = normal(2, 8) if segments else None
    inputs = [ids, kinds, normal(11, 8), normal(7, 8), table, G, BETA, mask]
    float_ = onnx.TensorProto.FLOAT
    model = model_of(
        "EmbedLayerNormalization",
        inputs,
        3,
        domain=MS,
        opset=18,
        output_types={0: float_, 1: onnx.TensorProto.INT32, 2: float_},
        constants=[i for i in (2, 3, 4, 5, 6) if inputs[i] is not None],
    )
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


def test_group_norm_before_opset_21_scales_groups():
    inputs = [IMAGE, normal(2), normal(2)]
    model = model_of("GroupNormalization", inputs, opset=18, num_groups=2)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)
