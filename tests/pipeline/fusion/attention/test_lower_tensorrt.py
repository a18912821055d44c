"""Attention in the one form TensorRT's parser and builder take."""

import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_tensorrt import FuseAttentionTensorrt
from pipeline.fusion.construct import Pass
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import assert_same_numbers, model_of, rewritten

TOLERANCE = 2e-6  # float32: two products of length 8 to 24 and a softmax
FUSE = FuseAttentionTensorrt()
FORMS = {
    "heads": graphs.attention(),
    "grouped": graphs.GROUPED,
    "folded": graphs.FOLDED,
    "sink": graphs.SINK,
    "two values": graphs.TWO_VALUES,
    "sink and cache": graphs.CACHED_SINK,
    "heads last": graphs.HEADS_LAST,
    "cache": graphs.CACHED,
}


def values_of(size):
    return graphs.EINSUM.replace("T,4,8] v", f"T,4,{size}] v").replace(
        "(float[B,S,4,8] y)", f"(float[B,S,4,{size}] y)"
    )


FORMS |= {"wide values": values_of(16), "narrow values": values_of(6)}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_numbers_stay(text):
    assert_same_numbers(text, find_attention, FUSE, rtol=TOLERANCE)


@pytest.mark.parametrize(("size", "after"), [(16, "Transpose"), (6, "Slice")])
def test_what_is_narrower_is_padded(size, after):
    model = rewritten(values_of(size), find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    padded = [value.producer().op_type == "Pad" for value in node.inputs[1:3]]
    assert padded == [size > 8, size < 8]
    assert [user.op_type for user in node.outputs[0].consumers()] == [after]


def test_each_attention_scales_its_own_queries():
    (node,) = [n for n in rewritten(graphs.attention(), find_attention, FUSE).graph
               if n.op_type == "Attention"]  # fmt: skip
    assert node.attributes["scale"].as_float() == 1.0
    assert node.inputs[0].producer().op_type == "Mul"


def test_the_past_stays_outside_and_grouped_heads_inside():
    model = rewritten(FORMS["cache"], find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert len(node.outputs) == 1
    assert node.inputs[1].name == "nk"
    grouped = rewritten(graphs.GROUPED, find_attention, FUSE)
    assert not [n for n in grouped.graph if n.op_type == "Expand"]


def test_masks_are_float():
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Where(m, t, inf) p = Softmax<axis=-1>(s)"
    model = rewritten(graphs.masked(core, "bool[B,1,S,T]"), find_attention, FUSE)
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert node.inputs[3].producer().op_type == "Where"


REFUSED = {
    "soft-cap": (graphs.attention(
        "c = Constant<value = float {5.0}>() qk = MatMul(qh, kh) t = Mul(qk, half)"
        " d = Div(t, c) h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)"), "soft-cap (here 5)"),
    "weights": (graphs.WEIGHTS, "one output: no weights"),
    "a value size that varies": (graphs.EINSUM.replace("T,4,8] v", "T,4,W] v").replace(
        "(float[B,S,4,8] y)", "(float[B,S,4,W] y)"), "here W and 8"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_parser_lacks_is_named(text, reason):
    model = model_of(text)
    (outcome,) = Rewriter(model, Facts(model), None).run([Pass("a", find_attention, (FUSE,))])
    assert outcome.state == "refused"
    assert reason in outcome.refusal.reason
