"""What a few huge values in an activation do to the rounding of all others."""

import numpy as np
import pytest

from pipeline.fusion.construct import Choice
from pipeline.fusion.linear import passes
from pipeline.fusion.linear.noise import rounding_noise
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.proof import Prover
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline.fusion.linear.linear_graphs import with_weights

TEXT = (
    "(float[B,S,64] x, float[64,64] w, float[64] peak) => (float[B,S,64] y, float[B,S,64] z) {"
    " a = MatMul(x, w) p = Mul(a, peak) b = MatMul(p, w) y = Softmax(b) z = Softmax(a) }"
)


def peaked(size: float):
    model = with_weights(TEXT, w=(64, 64), peak=(64,))
    array = np.ones(64, dtype=np.float32)
    array[5] = size
    peak = model.graph.initializers["peak"]
    peak.const_value = type(peak.const_value)(array)
    return model


def test_even_values_err_about_a_hundredth_and_peaks_more():
    x = np.random.default_rng(0).standard_normal((1, 16, 64)).astype(np.float32)
    even = rounding_noise(peaked(1.0).graph, {"x", "p"}, {"x": x})
    assert even["x"] == pytest.approx((x.max() - x.min()) / 255 / 12**0.5, rel=0.1)
    assert rounding_noise(peaked(200.0).graph, {"p"}, {"x": x})["p"] > 5 * even["p"]


def test_inputs_of_another_graph_are_not_used():
    found = rounding_noise(peaked(1.0).graph, {"x"}, {"other": np.zeros(3)})
    assert found["x"] > 0


@pytest.mark.parametrize(("size", "second"), [(1.0, "round_both"), (500.0, "round_in_blocks")])
def test_peaks_are_left_to_blocks(size, second):
    model = peaked(size)
    outcomes = Rewriter(model, Facts(model), Prover()).run(
        passes(Choice("ort-cpu", precision="int8"))
    )
    assert [o.lowering for o in outcomes] == ["round_both", second]
