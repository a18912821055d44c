"""Residual sums and norms become one operator where that is faster."""

import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.ort.residual_norm.find import find_residual_norms
from pipeline.fusion.ort.residual_norm.lower import FuseSkipLayerNorm, FuseSkipRmsNorm
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline.text_graphs import assert_becomes, assert_same_numbers, model_of

TOLERANCE = 5e-6  # sums in another order, float32


def graph(body, bias=True):
    more = ", float[8] bias" if bias else ""
    return f"""(float[B,S,8] a, float[B,S,8] c, float[8] w, float[8] b{more})
        => (float[B,S,8] y, float[B,S,8] s) {{ {body} }}"""


CASES = {
    "rms": (
        graph("s = Add(a, c) y = RMSNormalization<epsilon=0.01>(s, w)"),
        graph("""y, m, i, s = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.01>
            (a, c, w)"""),
    ),
    "rms with bias": (
        graph("d = Add(a, bias) s = Add(d, c) y = RMSNormalization<epsilon=0.01>(s, w)"),
        graph("""y, m, i, s = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.01>
            (a, c, w, bias)"""),
    ),
    "layer with bias": (
        graph("d = Add(a, bias) s = Add(c, d) y = LayerNormalization<epsilon=0.01>(s, w, b)"),
        graph("""y, m, i, s = com.microsoft.SkipLayerNormalization<epsilon=0.01>
            (a, c, w, b, bias)"""),
    ),
    "layer without beta": (
        graph("s = Add(a, c) y = LayerNormalization<epsilon=0.01>(s, w)"),
        graph("y, m, i, s = com.microsoft.SkipLayerNormalization<epsilon=0.01>(a, c, w)"),
    ),
}  # fmt: skip
LOWERINGS = (FuseSkipLayerNorm(), FuseSkipRmsNorm())


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_before_and_after(before, after):
    assert_becomes(before, after, find_residual_norms, *LOWERINGS)


@pytest.mark.parametrize("before", [c[0] for c in CASES.values()], ids=CASES.keys())
def test_numbers(before):
    assert_same_numbers(before, find_residual_norms, *LOWERINGS, rtol=TOLERANCE)


def test_on_cpu_layer_norm_stays_plain_and_says_so():
    model = model_of(graph("s = Add(a, c) y = LayerNormalization(s, w, b)"))
    lowering = FuseSkipLayerNorm(target="ort-cpu")
    rewriter = Rewriter(model, Facts(model), None)
    (outcome,) = rewriter.run([Pass("residual-norm", find_residual_norms, (lowering,))])
    assert outcome.state == "plain"
    assert "2 to 5 times slower" in outcome.refusal.reason
    assert "--fuse-all" in outcome.refusal.remedy


def test_on_cpu_layer_norm_is_fused_on_demand():
    before, after = CASES["layer without beta"]
    lowering = FuseSkipLayerNorm(target="ort-cpu", fuse_all=True)
    assert_becomes(before, after, find_residual_norms, lowering)


def test_float64_is_refused():
    text = graph("s = Add(a, c) y = RMSNormalization(s, w)").replace("float[", "double[")
    model = model_of(text)
    rewriter = Rewriter(model, Facts(model), None)
    (outcome,) = rewriter.run([Pass("residual-norm", find_residual_norms, LOWERINGS)])
    assert outcome.state == "refused"
    assert "DOUBLE" in outcome.refusal.reason
