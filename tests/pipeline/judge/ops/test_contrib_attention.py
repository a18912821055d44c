"""com.microsoft attention operators against ONNX Runtime's own CPU kernels."""

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

# ONNX Runtime computes in float32: its own rounding, nothing of ours.
TOLERANCE = 2e-5
B, H, S, T, D = 2, 3, 5, 7, 8


def mask(*shape: int) -> np.ndarray:
    rows = np.random.default_rng(1).integers(0, 2, shape).astype(np.int32)
    rows[..., 0] = 1
    return rows


def mha(inputs, outputs=1, **attributes):
    return model_of(
        "MultiHeadAttention", inputs, outputs, domain=MS, opset=18, num_heads=H, **attributes
    )


Q, K, V = normal(B, S, H * D), normal(B, T, H * D, seed=1), normal(B, T, H * D, seed=2)
PAST = normal(B, H, 4, D, seed=3), normal(B, H, 4, D, seed=4)
MHA_CASES = {
    "plain": ([Q, K, V], {}),
    "wide values": ([Q, K, normal(B, T, H * 5)], {}),
    "bias": ([Q, K, V, normal(3 * H * D)], {}),
    "holes": ([Q, K, V, None, mask(B, T)], {"mask_filter_value": -3.4e38}),
    "default fill": ([Q * 9, K * 9, V, None, mask(B, T)], {}),
    "masked row": ([Q, K, V, None, np.zeros((B, T), np.int32)], {}),
    "lengths": ([Q, K, V, None, np.array([3, 7], np.int32)], {}),
    "mask per query": ([Q, K, V, None, mask(B, S, T)], {}),
    "attention bias": ([Q, K, V, None, None, normal(1, H, S, T)], {}),
    "bias and mask": ([Q, K, V, None, mask(B, T), normal(B, 1, S, T)], {}),
    "causal": ([Q, Q, Q], {"unidirectional": 1}),
    "scale": ([Q, K, V], {"scale": 0.3}),
    "cached keys": ([Q, normal(B, H, T, D), normal(B, H, T, D, seed=7)], {}),
    "no keys": ([Q, K[:, :0], V[:, :0]], {}),
}


@pytest.mark.parametrize("name", MHA_CASES)
def test_multi_head_attention(name):
    inputs, attributes = MHA_CASES[name]
    model = mha(inputs, **attributes)
    feeds = feeds_of(model, inputs)
    # The default fill of -1e4 costs float32 three digits of every masked score.
    tolerance = 1e-3 if name == "masked row" else TOLERANCE
    assert_same(judged(model, feeds), by_ort(model, feeds), tolerance)


@pytest.mark.parametrize("causal", [0, 1], ids=["all", "causal"])
def test_multi_head_attention_appends_to_its_past(causal):
    inputs = [Q, Q * 2, Q * 3, None, mask(B, S + 4), None, *PAST]
    model = mha(inputs, 3, unidirectional=causal)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


def test_multi_head_attention_scores_are_not_probabilities():
    inputs = [Q, K, V, None, mask(B, T)]
    model = mha(inputs, 4)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


X, W = normal(B, S, 16), normal(16, 3 * H * D, seed=5)
ATTENTION_CASES = {
    "plain": ([X, W], {}),
    "bias": ([X, W, normal(3 * H * D)], {}),
    "lengths": ([X, W, None, np.array([3, 5], np.int32)], {}),
    "ends and starts": ([X, W, None, np.array([3, 5, 1, 2], np.int32)], {}),
    "holes": ([X, W, None, mask(B, S)], {}),
    "per query": ([X, W, None, mask(B, S, S)], {}),
    "causal": ([X, W], {"unidirectional": 1}),
    "attention bias": ([X, W, None, mask(B, S), None, normal(B, H, S, S)], {}),
    "wide values": (
        [X, normal(16, 2 * H * D + H * 4)],
        {"qkv_hidden_sizes": [H * D, H * D, H * 4]},
    ),
    "scale": ([X, W], {"scale": 0.7}),
}


@pytest.mark.parametrize("name", ATTENTION_CASES)
def test_packed_attention(name):
    inputs, attributes = ATTENTION_CASES[name]
    inputs = [*inputs, normal(3 * H * D)] if len(inputs) == 2 and "wide" not in name else inputs
    model = model_of("Attention", inputs, domain=MS, opset=18, num_heads=H, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


def test_packed_attention_appends_to_its_past():
    inputs = [X, W, normal(3 * H * D), None, np.stack(PAST)]
    model = model_of("Attention", inputs, 2, domain=MS, opset=18, num_heads=H, unidirectional=1)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)
