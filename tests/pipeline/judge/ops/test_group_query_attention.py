"""com.microsoft GroupQueryAttention against ONNX Runtime's own CPU kernel."""

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
B, H, HK, S, D, P = 2, 6, 2, 5, 16, 4
Q, K, V = normal(B, S, H * D), normal(B, S, HK * D, seed=1), normal(B, S, HK * D, seed=2)
COS, SIN = np.cos(normal(32, D // 2)), np.sin(normal(32, D // 2))


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def total(value: int) -> np.ndarray:
    return np.array(value, np.int32)


def gqa(inputs, outputs=3, **attributes):
    return model_of(
        "GroupQueryAttention",
        inputs,
        outputs,
        domain=MS,
        opset=18,
        num_heads=H,
        kv_num_heads=HK,
        **attributes,
    )


PROMPT = [Q, K, V, None, None, ints(S - 1, S - 1), total(S)]
ROTARY = [*PROMPT, COS, SIN]
BIASED = [*PROMPT, None, None, None]
HIDE = np.where(np.random.default_rng(3).random((B, 1, S, S)) < 0.4, np.float32("-inf"), 0)
HIDE = HIDE.astype(np.float32)
CASES = {
    "prompt": (PROMPT, {}),
    "packed": ([np.concatenate([Q, K, V], -1), *[None] * 4, ints(S - 1, S - 1), total(S)], {}),
    "scale": (PROMPT, {"scale": 0.4}),
    "window": (PROMPT, {"local_window_size": 2}),
    "softcap": (PROMPT, {"softcap": 3.0}),
    "smooth": (PROMPT, {"smooth_softmax": 1}),
    "rotary": (ROTARY, {"do_rotary": 1}),
    "rotary interleaved": (ROTARY, {"do_rotary": 1, "rotary_interleaved": 1}),
    "bias": ([*BIASED, normal(B, 1, S, S)], {}),
    "masked rows": ([*BIASED, HIDE], {}),
    "sink": ([*BIASED, None, normal(H)], {}),
    "everything": (
        [*BIASED[:7], COS, SIN, None, normal(1, H, S, S), normal(H)],
        {"do_rotary": 1, "softcap": 2.0, "local_window_size": 3},
    ),
    "both ways": (PROMPT, {"causal": 0}),
    "both ways, bias": ([*BIASED, normal(1, H, S, S)], {"causal": 0}),
}


@pytest.mark.parametrize("name", CASES)
def test_prompt(name):
    inputs, attributes = CASES[name]
    model = gqa(inputs, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


def test_rows_of_right_padding_are_free():
    inputs = [Q, K, V, None, None, ints(2, S - 1), total(S)]
    model = gqa(inputs, 1)
    feeds = feeds_of(model, inputs)
    (ours,), (theirs,) = judged(model, feeds), by_ort(model, feeds)
    assert_same([ours[0, :3], ours[1]], [theirs[0, :3], theirs[1]], TOLERANCE)


PAST = normal(B, HK, P, D, seed=5), normal(B, HK, P, D, seed=6)


@pytest.mark.parametrize("rotary", [0, 1], ids=["plain", "rotary"])
@pytest.mark.parametrize("lengths", [(P, P), (2, P)], ids=["full", "ragged"])
def test_decode(rotary, lengths):
    step = [x[:, :1] for x in (Q, K, V)]
    inputs = [*step, *PAST, ints(*lengths), total(P + 1), COS, SIN]
    # Asked for the output alone, ONNX Runtime 1.32 reads a cache it never wrote.
    model = gqa(inputs, do_rotary=rotary)
    feeds = feeds_of(model, inputs)
    ours, theirs = judged(model, feeds), by_ort(model, feeds)
    assert_same(ours[:1], theirs[:1], TOLERANCE)


def test_chunk_after_a_past():
    one = [x[:1] for x in (Q, K, V, *PAST)]
    inputs = [*one, ints(P + S - 1), total(P + S), COS, SIN]
    model = gqa(inputs, do_rotary=1)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


def test_a_long_buffer_keeps_its_length():
    step = [x[:, :1] for x in (Q, K, V)]
    buffers = [np.concatenate([x, np.zeros_like(x)], 2) for x in PAST]
    inputs = [*step, *buffers, ints(P, P), total(P + 1)]
    model = gqa(inputs)
    feeds = feeds_of(model, inputs)
    ours, theirs = judged(model, feeds), by_ort(model, feeds)
    assert_same([ours[0], ours[1][:, :, : P + 1]], [theirs[0], theirs[1][:, :, : P + 1]], TOLERANCE)
    assert ours[1].shape == theirs[1].shape


def test_query_lengths():
    buffers = [np.concatenate([x, np.zeros_like(x), np.zeros_like(x)], 2) for x in PAST]
    lengths = ints(P + 2, 3 + 4)  # totals less one: rows of 3 and 5 - 1 new tokens
    inputs = [Q, K, V, *buffers, lengths, total(P + S), *[None] * 9, ints(3, 5)]
    model = gqa(inputs)
    feeds = feeds_of(model, inputs)
    ours, theirs = judged(model, feeds)[0], by_ort(model, feeds)[0]
    assert_same([ours[0, :3], ours[1, :5]], [theirs[0, :3], theirs[1, :5]], TOLERANCE)


@pytest.mark.parametrize("stage", [1, 2], ids=["scores", "weights"])
def test_scores(stage):
    model = gqa(PROMPT, 4, qk_output=stage)
    feeds = feeds_of(model, PROMPT)
    ours, theirs = judged(model, feeds), by_ort(model, feeds)
    assert_same([ours[3]], [theirs[3]], TOLERANCE)
