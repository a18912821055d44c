"""Attention over a cache of fixed size becomes GroupQueryAttention, which writes in place."""

import numpy as np
import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.ort.in_place.find import find_attention_in_place
from pipeline.fusion.ort.in_place.lower import FuseAttentionInPlace
from pipeline.graph.inference.facts import Facts
from pipeline.judge import Judge
from pipeline.stages.optimize.candidate import Candidate
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import assert_becomes, found_in, model_of, rewritten

TOLERANCE = 1e-5  # float32 sums of 16 products, in another order
LOWERING = FuseAttentionInPlace()


def outcome_of(text):
    model = model_of(text, graphs.OPSET)
    rewriter = Rewriter(model, Facts(model), None)
    (outcome,) = rewriter.run([Pass("attention-in-place", find_attention_in_place, (LOWERING,))])
    return outcome


def test_before_and_after():
    assert_becomes(
        graphs.in_place(), graphs.fused(), find_attention_in_place, LOWERING, opset=graphs.OPSET
    )


def test_numbers_and_what_lies_behind_in_the_cache():
    before = model_of(graphs.in_place(), graphs.OPSET)
    after = rewritten(graphs.in_place(), find_attention_in_place, LOWERING, opset=graphs.OPSET)
    for name, difference in graphs.differences(before, after):
        assert difference <= TOLERANCE, name


def test_a_mask_that_shows_what_comes_later_is_left_alone():
    mask = f"{graphs.VISIBLE.split('before')[0]} mask = Identity(s4)"
    assert found_in(graphs.in_place(mask=mask), find_attention_in_place) == []


def test_a_second_reader_of_the_cache_reads_what_the_operator_wrote():
    core = f"{graphs.CORE} more = Neg(nk)"
    text = graphs.in_place(core=core, outputs=", float[B,2,12,16] more")
    model = rewritten(text, find_attention_in_place, LOWERING, opset=graphs.OPSET)
    (neg,) = [node for node in model.graph if node.op_type == "Neg"]
    assert neg.inputs[0].producer().op_type == "GroupQueryAttention"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(("float[", "double["), "takes no DOUBLE"), (("16", "20"), "no multiple of 8")],
    ids=["float64", "size"],
)
def test_what_the_kernel_does_not_take_stays(change, reason):
    text = graphs.in_place().replace(*change)
    if change[1] == "20":
        text = text.replace("64]", "80]").replace("32]", "40]")
    outcome = outcome_of(text)
    assert outcome.state == "plain"
    assert reason in outcome.refusal.reason


def halved(text):
    return text.replace("float[", "float16[").replace("float {", "float16 {")


def test_in_float16_rows_that_see_nothing_are_set_to_zero():
    """The kernel makes them NaN, and what is NaN once is NaN in every later layer."""
    text = halved(graphs.in_place())
    after = rewritten(text, find_attention_in_place, LOWERING, opset=graphs.OPSET)
    feeds = graphs.feeds_of(after, 2, 3)
    feeds["seen"][0], feeds["seen"][1] = 0, 1
    found = Candidate(after).run(feeds)
    assert found["y"][0].tolist() == np.zeros((3, 64)).tolist()
    wanted = Judge(model_of(text, graphs.OPSET), "float64").run(feeds)["y"].numpy()
    assert np.abs(found["y"] - wanted).max() <= 4e-3  # two ulp of values up to 2


def test_what_will_be_float16_is_guarded_too():
    plain, half = (
        rewritten(graphs.in_place(), find_attention_in_place, one, opset=graphs.OPSET)
        for one in (LOWERING, FuseAttentionInPlace(half=True))
    )
    assert sum(node.op_type == "Where" for node in plain.graph) == 1
    assert sum(node.op_type == "Where" for node in half.graph) == 2


def test_in_float16_a_mask_for_each_head_stays():
    each = """four = Constant<value_ints=[1, 4, 1, 1]>()
        all = And(before, s4) mask = Expand(all, four)"""
    mask = graphs.VISIBLE.replace("mask = And(before, s4)", each)
    outcome = outcome_of(halved(graphs.in_place(mask=mask)))
    assert outcome.state == "plain"
    assert "heads have masks of their own" in outcome.refusal.reason
