"""Activations against ONNX Runtime where it has the kernel, else onnx.reference."""

import pytest

from tests.pipeline.judge.one_node import (
    MS,
    assert_same,
    by_ort,
    by_reference,
    feeds_of,
    judged,
    model_of,
    normal,
)

X = normal(2, 3, 8, scale=4)
CONTRIB = {
    "Gelu": [X],
    "BiasGelu": [X, normal(8)],
    "FastGelu": [X, normal(8)],
    "QuickGelu": [X],
}


@pytest.mark.parametrize("kind", CONTRIB)
def test_contrib(kind):
    model = model_of(kind, CONTRIB[kind], domain=MS, opset=18)
    feeds = feeds_of(model, CONTRIB[kind])
    # ONNX Runtime evaluates erf and tanh by polynomials of its own
    assert_same(judged(model, feeds), by_ort(model, feeds), 3e-6)


STANDARD = {
    "Relu": {}, "Gelu": {"approximate": "tanh"}, "Swish": {"alpha": 0.5}, "LeakyRelu": {},
    "Elu": {"alpha": 0.7}, "Celu": {"alpha": 0.7}, "Selu": {}, "HardSigmoid": {},
    "HardSwish": {}, "Mish": {}, "Softplus": {}, "Softsign": {}, "ThresholdedRelu": {},
    "Shrink": {"bias": 0.2},
}  # fmt: skip


@pytest.mark.parametrize("kind", STANDARD)
def test_standard(kind):
    model = model_of(kind, [X], **STANDARD[kind])
    feeds = feeds_of(model, [X])
    assert_same(judged(model, feeds), by_reference(model, feeds), 3e-6)


def test_prelu_broadcasts_its_slope():
    inputs = [X, normal(3, 1)]
    model = model_of("PRelu", inputs)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_reference(model, feeds), 1e-6)
