"""An epsilon outside the root becomes a correction of each row, exact also without any spread."""

import numpy as np
import pytest

from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_outer_epsilon import FuseLayerNormOuterEpsilon
from pipeline.fusion.norm.lower_standard import FuseLayerNorm
from tests.pipeline.text_graphs import (
    assert_becomes,
    assert_same_numbers,
    listing,
    model_of,
    numbers_of,
    rewritten,
)

FUSE = FuseLayerNormOuterEpsilon()
BODY = """axes = Constant<value_ints=[-1]>() eps = Constant<value_float=1e-6>()
    m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, axes)
    r = Sqrt(v) re = Add(r, eps)"""
BEFORE = (
    "(float[B,S,8] x, float[8] w, float[8] b) => (float[B,S,8] y)"
    f" {{ {BODY} z = Div(d, re) s = Mul(z, w) y = Add(s, b) }}"
)
AFTER = """(float[B,S,8] x, float[8] w, float[8] b) => (float[B,S,8] y) {
    eps = Constant<value = float {1e-6}>() one = Constant<value = float {1.0}>()
    n, mean, inv = LayerNormalization<axis=-1, epsilon=1e-28, stash_type=1>(x, w)
    e = Mul(inv, eps) f = Add(e, one) z = Div(n, f) y = Add(z, b) }"""
# Sums of a few numbers in another order, float32.
TOLERANCE = 5e-6


def test_before_and_after():
    assert_becomes(BEFORE, AFTER, find_norms, FUSE)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_numbers(scale):
    assert_same_numbers(BEFORE, find_norms, FUSE, rtol=TOLERANCE, scale=scale)


def test_rows_with_hardly_any_spread_keep_their_numbers():
    spread = np.array([0.0, 1e-7, 1e-6, 1e-5], np.float32)[:, None, None]
    x = spread * np.arange(-3.5, 4.5, dtype=np.float32)
    feeds = {"x": x, "w": np.ones(8, np.float32), "b": np.zeros(8, np.float32)}
    want = numbers_of(model_of(BEFORE), feeds)[0]
    got = numbers_of(rewritten(BEFORE, find_norms, FUSE), feeds)[0]
    np.testing.assert_allclose(got, want, rtol=TOLERANCE)
    assert np.abs(want[1:]).max() > 0.1  # where epsilon counts, and is not all


def test_a_norm_with_its_epsilon_inside_is_for_the_operator_alone():
    text = BEFORE.replace("r = Sqrt(v) re = Add(r, eps)", "ve = Add(v, eps) re = Sqrt(ve)")
    node, _result = listing(rewritten(text, find_norms, FUSE, FuseLayerNorm()))
    assert node.startswith("%1 = LayerNormalization<")


def test_tensorrt_lacks_the_outputs_and_is_told_so():
    from pipeline.graph.inference.facts import Facts

    model = model_of(BEFORE)
    (site,) = find_norms(model.graph, Facts(model))
    refusal = FuseLayerNormOuterEpsilon(target="tensorrt").lower(site, None)
    assert "epsilon (1e-06) is added after the square root" in refusal.reason
    assert refusal.remedy == "add epsilon to the variance, inside the root"
