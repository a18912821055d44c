"""Rotations move into GroupQueryAttention, with one row of its table for each token."""

import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.ort.rotary_attention.find import find_rotary_attention
from pipeline.fusion.ort.rotary_attention.lower import FuseAttentionRotary
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import assert_becomes, found_in, model_of, rewritten

TOLERANCE = 1e-5  # float32 sums of 16 products, in another order
LOWERING = FuseAttentionRotary()
ANGLES = ", float[B,S,{0}] cos, float[B,S,{0}] sin"
TURN = """qr = RotaryEmbedding<num_heads=4, interleaved={0}{1}>(q, cos, sin)
    kr = RotaryEmbedding<num_heads=2, interleaved={0}{1}>(k, cos, sin)"""
TABLE = """more = Cast<to=7>(longest32) eight = Constant<value_ints=[8]>()
    empty = Concat<axis=0>(more, eight)
    blank = ConstantOfShape<value = float[1] {0.0}>(empty) line = Constant<value_ints=[-1, 8]>()
    cos2 = Reshape(cos, line) sin2 = Reshape(sin, line)
    cost = Concat<axis=0>(cos2, blank) sint = Concat<axis=0>(sin2, blank)
    sizes = Shape<end=2>(cos) count = ReduceProd<keepdims=0>(sizes)
    none = Constant<value = int64 {0}>() each = Constant<value = int64 {1}>()
    counted = Range(none, count, each) ids = Reshape(counted, sizes)"""


def turned(interleaved=0, pairs=8, more="", **parts):
    """Return attention in place after rotations."""
    given = {"inputs": ANGLES.format(pairs), "before": TURN.format(interleaved, more)}
    return graphs.fused(**given | {"q": "qr", "k": "kr"} | parts)


@pytest.mark.parametrize("interleaved", [0, 1], ids=["halves", "neighbours"])
def test_before_and_after(interleaved):
    after = graphs.fused(
        inputs=ANGLES.format(8), table="cost, sint, ids", body=TABLE,
        attrs=f", do_rotary=1, rotary_interleaved={interleaved}",
    )  # fmt: skip
    before = turned(interleaved)
    assert_becomes(before, after, find_rotary_attention, LOWERING, opset=graphs.OPSET)


@pytest.mark.parametrize("interleaved", [0, 1], ids=["halves", "neighbours"])
def test_numbers(interleaved):
    before = turned(interleaved)
    after = rewritten(before, find_rotary_attention, LOWERING, opset=graphs.OPSET)
    for name, difference in graphs.differences(model_of(before, graphs.OPSET), after):
        assert difference <= TOLERANCE, name


def test_a_narrow_rotation_stays_outside_and_says_so():
    text = turned(pairs=4, more=", rotary_embedding_dim=8")
    model = model_of(text, graphs.OPSET)
    rewriter = Rewriter(model, Facts(model), None)
    (outcome,) = rewriter.run([Pass("attention-rotary", find_rotary_attention, (LOWERING,))])
    assert outcome.state == "plain"
    assert "a width of 8 is no multiple of 16" in outcome.refusal.reason


OTHER = {
    "queries only": {"k": "k"},
    "other angles": {"before": TURN.format(0, "").replace("k, cos, sin", "k, sin, cos")},
    "other pairing": {"before": TURN.format(0, "").replace("2, interleaved=0", "2, interleaved=1")},
    "other heads": {"before": TURN.format(0, "").replace("heads=2", "heads=1")},
    "keys read elsewhere": {
        "before": TURN.format(0, "") + " z = Neg(kr)", "outputs": ", float[B,S,32] z"
    },
}  # fmt: skip


@pytest.mark.parametrize("parts", OTHER.values(), ids=OTHER)
def test_what_is_not_turned_alike_and_alone_is_left(parts):
    assert found_in(turned(**parts), find_rotary_attention) == []


def test_a_cache_that_grows_is_left():
    text = turned().replace(", , , , , new32", "")
    assert found_in(text, find_rotary_attention) == []
