"""A cache joined outside the operator is the graph's own concatenation."""

import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.attention.lower_tensorrt import FuseAttentionTensorrt
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import rewritten


@pytest.mark.parametrize("lowering", [FuseAttentionStandard(), FuseAttentionTensorrt()])
def test_present_keys_hold_no_sink(lowering):
    model = rewritten(graphs.CACHED_SINK, find_attention, lowering)
    present = [value.producer() for value in model.graph.outputs[1:]]
    assert [node.op_type for node in present] == ["Concat", "Concat"]
    assert [x.name for node in present for x in node.inputs] == ["pk", "k", "pv", "v"]


def test_without_a_sink_the_past_goes_into_the_operator():
    model = rewritten(graphs.CACHED, find_attention, FuseAttentionStandard())
    (node,) = [node for node in model.graph if node.op_type == "Attention"]
    assert [value.name for value in node.inputs[4:]] == ["pk", "pv"]
