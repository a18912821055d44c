"""Rotary embeddings against ONNX Runtime."""

import numpy as np
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

TOLERANCE = 1e-6  # two products and a sum
B, H, S, D, M = 2, 3, 5, 16, 32
ANGLE = normal(M, D // 2)
COS, SIN = np.cos(ANGLE), np.sin(ANGLE)
IDS = np.random.default_rng(0).integers(0, M, (B, S))
X4, X3 = normal(B, H, S, D), normal(B, S, H * D)
STANDARD = {
    "4-D": ([X4, COS, SIN, IDS], {}),
    "3-D": ([X3, COS, SIN, IDS], {"num_heads": H}),
    "interleaved": ([X4, COS, SIN, IDS], {"interleaved": 1}),
    "own angles": ([X4, np.cos(normal(B, S, D // 2)), np.sin(normal(B, S, D // 2))], {}),
    "partial": ([X3, COS[:, :4], SIN[:, :4], IDS], {"num_heads": H, "rotary_embedding_dim": 8}),
    "empty": ([X4[:, :, :0], COS, SIN, IDS[:, :0]], {}),
}


@pytest.mark.parametrize("name", STANDARD)
def test_standard(name):
    inputs, attributes = STANDARD[name]
    model = model_of("RotaryEmbedding", inputs, opset=23, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


CONTRIB = {
    "4-D": ([X4, IDS, COS, SIN], {}),
    "3-D": ([X3, IDS, COS, SIN], {}),
    "start": ([X3, np.array([4]), COS, SIN], {}),
    "interleaved": ([X3, IDS, COS, SIN], {"interleaved": 1}),
    "partial": ([X3, IDS, COS[:, :4], SIN[:, :4]], {"num_heads": H, "rotary_embedding_dim": 8}),
    "scale is ignored": ([X3, IDS, COS, SIN], {"scale": 2.0}),
}


@pytest.mark.parametrize("name", CONTRIB)
def test_contrib(name):
    inputs, attributes = CONTRIB[name]
    model = model_of("RotaryEmbedding", inputs, opset=18, domain=MS, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)
