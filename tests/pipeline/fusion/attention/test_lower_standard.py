"""Attention becomes the standard operator, with the right numbers on hard masks."""

import numpy as np
import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.construct import Pass
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import (
    assert_becomes,
    assert_same_numbers,
    feeds_of,
    model_of,
    numbers_of,
    rewritten,
)

TOLERANCE = 2e-6  # float32: two products of length 8 to 24 and a softmax
ONNX, CPU = FuseAttentionStandard(target="onnx"), FuseAttentionStandard()
ATTRS = "scale=0.35355338, q_num_heads=4, kv_num_heads={kv}"
FORMS = {
    "heads": graphs.attention(),
    "grouped": graphs.GROUPED,
    "cache": graphs.CACHED,
    "folded": graphs.FOLDED,
    "einsum": graphs.EINSUM,
    "swapped": graphs.SWAPPED,
    "sink": graphs.SINK,
    "two values": graphs.TWO_VALUES,
    "weights": graphs.WEIGHTS,
    "weights and cache": graphs.CACHED_WEIGHTS,
    "weights of grouped heads": graphs.GROUPED.replace(
        "(float[B,4,S,8] y)", "(float[B,4,S,8] y, float[B,4,S,T] p)"
    ),
    "sink and cache": graphs.CACHED_SINK,
    "heads last": graphs.HEADS_LAST,
}


def test_projections_go_in_as_they_are():
    after = (
        "(float[B,S,32] q, float[B,T,32] k, float[B,T,32] v) => (float[B,S,32] y)"
        f" {{ y = Attention<{ATTRS.format(kv=4)}>(q, k, v) }}"
    )
    assert_becomes(graphs.attention(), after, find_attention, CPU)


def test_keys_that_lie_head_by_head_are_not_transposed():
    """A cache is kept that way; only the queries and the result change their layout."""
    before = (
        "(float[B,S,32] q, float[B,4,T,8] k, float[B,4,T,8] v) => (float[B,S,32] y) {"
        " hs = Constant<value_ints=[0, 0, 4, 8]>() back = Constant<value_ints=[0, 0, 32]>()"
        " half = Constant<value = float {0.3535534}>()"
        " q4 = Reshape(q, hs) qh = Transpose<perm=[0, 2, 1, 3]>(q4)"
        " kt = Transpose<perm=[0, 1, 3, 2]>(k) qk = MatMul(qh, kt) s = Mul(qk, half)"
        " p = Softmax<axis=-1>(s) o = MatMul(p, v) ot = Transpose<perm=[0, 2, 1, 3]>(o)"
        " y = Reshape(ot, back) }"
    )
    model = rewritten(before, find_attention, CPU)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert [x.name for x in node.inputs[1:3]] == ["k", "v"]
    assert sum(n.op_type == "Transpose" for n in model.graph) == 2
    assert_same_numbers(before, find_attention, CPU, rtol=TOLERANCE)


def test_a_padding_mask_is_repeated_over_the_rows():
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) p = Softmax<axis=-1>(s)"
    model = rewritten(graphs.masked(core, "bool[B,1,1,T]"), find_attention, CPU)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert node.inputs[3].producer().op_type == "Expand"


@pytest.mark.parametrize("lowering", [CPU, ONNX], ids=["ort-cpu", "onnx"])
@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_numbers_stay(text, lowering):
    assert_same_numbers(text, find_attention, lowering, rtol=TOLERANCE)


def test_weights_are_the_operators_fourth_output():
    model = rewritten(graphs.WEIGHTS, find_attention, CPU)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert node.attributes["qk_matmul_output_mode"].as_int() == 3
    assert [value.name for value in node.outputs[1:]] == ["", "", "p"]


def test_no_cuda_kernel_is_asked_for_weights():
    model = model_of(graphs.WEIGHTS)
    cuda = FuseAttentionStandard(target="ort-cuda")
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (cuda,))])
    assert "attention weights are used" in outcome.refusal.reason


MASKED = {
    "minimum added": ("w = Where(m, zero, low) qk = MatMul(qh, kh) t = Mul(qk, half) s = Add(t, w)"
                      " p = Softmax<axis=-1>(s)", False),
    "minimum filled": ("qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, low)"
                       " p = Softmax<axis=-1>(s)", False),
    "two masks that overflow": (
        "w = Where(c, zero, low) qk = MatMul(qh, kh) t = Mul(qk, half) a = Where(m, t, low)"
        " s = Add(a, w) p = Softmax<axis=-1>(s)", False),
    "guarded infinity": ("qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf)"
                         " g = Softmax<axis=-1>(s) n = IsNaN(g) p = Where(n, zero, g)", True),
    "guarded infinity added": (
        "w = Where(m, zero, inf) qk = MatMul(qh, kh) t = Mul(qk, half) s = Add(t, w)"
        " g = Softmax<axis=-1>(s) n = IsNaN(g) p = Where(n, zero, g)", True),
}  # fmt: skip


@pytest.mark.parametrize("lowering", [CPU, ONNX], ids=["ort-cpu", "onnx"])
@pytest.mark.parametrize(("core", "zeros"), MASKED.values(), ids=MASKED)
def test_fully_masked_rows_keep_their_meaning(core, zeros, lowering):
    text = graphs.masked(core, "bool[T] c, bool[B,1,S,T]")
    model = model_of(text)
    feeds = feeds_of(model) | {"c": np.array([True, False, True])}
    feeds["m"] = np.random.default_rng(1).random((3, 1, 3, 3)) < 0.6
    feeds["m"][0, 0, 1] = False
    want = numbers_of(model, feeds)[0]
    got = numbers_of(rewritten(text, find_attention, lowering), feeds)[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * np.abs(want).max())
    assert (not want[0, 1].any()) == zeros


@pytest.mark.parametrize("lowering", [CPU, ONNX], ids=["ort-cpu", "onnx"])
@pytest.mark.parametrize("core", [core for core, _ in MASKED.values()], ids=MASKED)
def test_returned_weights_of_fully_masked_rows_keep_their_meaning(core, lowering):
    masks = ", bool[T] c, bool[B,1,S,T] m"
    text = graphs.attention(core, masks, outputs=", float[B,4,S,T] p")
    model = model_of(text)
    feeds = feeds_of(model) | {"c": np.array([True, False, True])}
    feeds["m"] = np.random.default_rng(1).random((3, 1, 3, 3)) < 0.6
    feeds["m"][0, 0, 1] = False
    want = numbers_of(model, feeds)[1]
    got = numbers_of(rewritten(text, find_attention, lowering), feeds)[1]
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)


def test_a_second_reader_of_the_scores_keeps_them():
    text = graphs.attention(outputs=", float[B,4,S,T] qk")
    model = rewritten(text, find_attention, CPU)
    assert {n.op_type for n in model.graph} >= {"Attention", "MatMul"}
    assert_same_numbers(text, find_attention, CPU, rtol=TOLERANCE)


def test_a_soft_cap_stays_plain_on_the_cpu_unless_asked_for():
    core = ("c = Constant<value = float {5.0}>() qk = MatMul(qh, kh) t = Mul(qk, half)"
            " d = Div(t, c) h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)")  # fmt: skip
    model = model_of(graphs.attention(core))
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (CPU,))])
    assert outcome.state == "plain"
    assert "slower" in outcome.refusal.reason
    asked = FuseAttentionStandard(fuse_all=True)
    assert_same_numbers(graphs.attention(core), find_attention, asked, rtol=TOLERANCE)


GATED = ("one = Constant<value = float {1.0}>() deep = Constant<value = float {-1e4}>()"
         " b = Cast<to=1>(m) c = Sub(one, b) w = Mul(c, deep) qk = MatMul(qh, kh)"
         " t = Mul(qk, half) g = Mul(t, b) s = Add(g, w) p = Softmax<axis=-1>(s)")  # fmt: skip


def test_scores_times_a_mask_of_ones_and_a_deep_bias_are_masked():
    text = graphs.masked(GATED, "bool[B,1,S,T]")
    model = model_of(text)
    feeds = feeds_of(model) | {"m": np.tril(np.ones((3, 1, 3, 3), dtype=bool))}
    want = numbers_of(model, feeds)[0]
    got = numbers_of(rewritten(text, find_attention, CPU), feeds)[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * np.abs(want).max())


def test_scores_times_a_tensor_without_a_bias_are_no_mask():
    core = GATED.replace("s = Add(g, w)", "s = Identity(g)")
    model = model_of(graphs.masked(core, "bool[B,1,S,T]"))
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (CPU,))])
    assert "multiplied by a tensor" in outcome.refusal.reason
