"""Layers are found by their residual sums, whatever the norm's place."""

import pytest

from pipeline.fusion.layer import find_layers
from tests.pipeline.text_graphs import found_in, only_site

WEIGHTS = "float[8] w, float[8,8] wq, float[8,8] wk, float[8,8] wv, float[8,8] wo, float[8,8] wa"
ATTEND = """q{i} = MatMul({x}, wq) k{i} = MatMul({kv}, wk) v{i} = MatMul({kv}, wv)
    c{i} = Attention<q_num_heads=2, kv_num_heads=2>(q{i}, k{i}, v{i}) o{i} = MatMul(c{i}, wo) """
FEED = "h{i} = MatMul({x}, wa) a{i} = {act}(h{i}) f{i} = MatMul(a{i}, wo) "
GATED = """h{i} = MatMul({x}, wa) a{i} = com.microsoft.QuickGelu<alpha=1.0>(h{i})
    u{i} = MatMul({x}, wk) g{i} = Mul(a{i}, u{i}) f{i} = MatMul(g{i}, wo) """


def graph(body):
    return f"""(float[B,S,8] x, float[B,T,8] enc, {WEIGHTS}) => (float[B,S,8] y) {{ {body} }}"""


def attend(x, i=0, kv=None):
    return ATTEND.format(x=x, i=i, kv=kv or x)


def feed(x, i=0, act="Gelu"):
    return FEED.format(x=x, i=i, act=act)


LAYERS = {
    "pre-norm": (
        "n = RMSNormalization(x, w) " + attend("n") + "s = Add(x, o0) m = RMSNormalization(s, w) "
        + feed("m") + "y = Add(f0, s)", "pre-norm: attention, feed-forward (GELU)"),
    "post-norm": (
        attend("x") + "s = Add(x, o0) m = LayerNormalization(s, w) " + feed("m", act="Relu")
        + "t = Add(f0, m) y = LayerNormalization(t, w)",
        "post-norm: attention, feed-forward (ReLU)"),
    "parallel": (
        "n = RMSNormalization(x, w) " + attend("n") + feed("n")
        + "b = Add(o0, f0) y = Add(x, b)", "pre-norm: attention beside feed-forward (GELU)"),
    "gated": (
        "n = RMSNormalization(x, w) " + attend("n") + "s = Add(x, o0) m = RMSNormalization(s, w) "
        + GATED.format(x="m", i=0) + "y = Add(f0, s)",
        "pre-norm: attention, feed-forward (gated SiLU)"),
    "joined sums": (
        "n = RMSNormalization(x, w) " + attend("n")
        + "m, j, k, s = com.microsoft.SkipSimplifiedLayerNormalization(x, o0, w) " + feed("m")
        + "y = Add(s, f0)", "pre-norm: attention, feed-forward (GELU)"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "form"), LAYERS.values(), ids=LAYERS.keys())
def test_forms(body, form):
    site = only_site(graph(body), find_layers)
    assert site.form == form
    assert site.anchor.op_type == "Attention"


def test_a_decoder_layer_has_three_branches():
    encoder = attend("x") + "s = Add(x, o0) " + feed("s") + "e = Add(s, f0) "
    decoder = (
        attend("e", 1) + "p = Add(e, o1) " + attend("p", 2, kv="e") + "r = Add(p, o2) "
        + feed("r", 1) + "y = Add(r, f1)"
    )  # fmt: skip
    forms = [site.form for site in found_in(graph(encoder + decoder), find_layers)]
    assert forms == [
        "post-norm: attention, feed-forward (GELU)",
        "post-norm: attention, cross-attention, feed-forward (GELU)",
    ]


def test_a_tanh_inside_the_attention_is_no_feed_forward():
    scores = """q = MatMul(x, wq) k = Transpose<perm=[0, 2, 1]>(x) c = MatMul(q, k) t = Tanh(c)
        p = Softmax(t) o = MatMul(p, x) r = MatMul(o, wo) s = Add(x, r) """
    site = only_site(graph(scores + feed("s") + "y = Add(s, f0)"), find_layers)
    assert site.form == "post-norm: attention, feed-forward (GELU)"


@pytest.mark.parametrize(
    "body",
    [
        feed("x") + "y = Add(x, f0)",
        attend("x") + "y = Add(x, o0)",
        attend("x") + feed("o0") + "y = Identity(f0)",
    ],
    ids=["no attention", "no feed-forward", "no residual"],
)
def test_less_than_a_layer(body):
    assert found_in(graph(body), find_layers) == []


def test_a_skip_norm_with_one_output_ends_a_branch():
    """What ONNX Runtime's own optimizer writes: the sum itself is not returned."""
    skip = "{y} = com.microsoft.SkipLayerNormalization({a}, {b}, w) "
    body = attend("x") + skip.format(y="s", a="x", b="o0") + feed("s")
    site = only_site(graph(body + skip.format(y="y", a="f0", b="s")), find_layers)
    assert site.form == "post-norm: attention, feed-forward (GELU)"
