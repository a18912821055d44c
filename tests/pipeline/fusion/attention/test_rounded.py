"""Attentions with quantisers around them, and inside them."""

import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.rounded import REMEDY
from pipeline.fusion.attention.site import AttentionSite
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

PLAIN = "{k} qk = MatMul(qh, {kh}) {t} t = Mul({s}, half) p0 = Softmax<axis=-1>(t) {p}"
STEP = "st = Constant<value = float {0.05}>() zp = Constant<value = int8 {3}>() "


def rounded(name: str, value: str) -> str:
    """Return the text that rounds a value to int8 and back."""
    return f"{name}i = QuantizeLinear({value}, st, zp) {name} = DequantizeLinear({name}i, st, zp)"


def core(k="", kh="kh", t="", s="qk", p="p = Identity(p0)") -> str:
    return STEP + PLAIN.format(k=k, kh=kh, t=t, s=s, p=p)


def test_a_quantiser_on_an_operand_is_outside():
    site = only_site(graphs.attention(core(k=rounded("kr", "kh"), kh="kr")), find_attention)
    assert isinstance(site, AttentionSite)
    assert site.k.base.name == "kr"  # the rounded keys are what the operator reads


INSIDE = {
    "scores": (core(t=rounded("sr", "qk"), s="sr"), "the scores become int8", "sr"),
    "probabilities": (core(p=rounded("p", "p0")), "the probabilities become int8", "pi"),
}


@pytest.mark.parametrize(("text", "reason", "node"), INSIDE.values(), ids=INSIDE)
def test_a_quantiser_inside_is_named(text, reason, node):
    refusal = only_refusal(graphs.attention(text), find_attention)
    assert refusal.reason.startswith(reason)
    assert refusal.node is not None
    assert refusal.node.outputs[0].name == node
    assert refusal.remedy == REMEDY


INTEGER = """(uint8[B,4,S,8] q, uint8[B,4,8,T] k, uint8[B,4,T,8] v, float s, uint8 z)
    => (uint8[B,4,S,8] y) {
    qk = QLinearMatMul(q, s, z, k, s, z, s, z)
    p = com.microsoft.QLinearSoftmax<axis=-1, opset=13>(qk, s, z, s, z)
    y = QLinearMatMul(p, s, z, v, s, z, s, z) }"""
DYNAMIC = """(float[B,4,S,8] q, float[B,4,8,T] k, float[B,4,T,8] v) => (float[B,4,S,8] y) {
    s = MatMul(q, k) p = Softmax<axis=-1>(s) pi, ps, pz = DynamicQuantizeLinear(p)
    vi, vs, vz = DynamicQuantizeLinear(v) o = MatMulInteger(pi, vi, pz, vz)
    of = Cast<to=1>(o) both = Mul(ps, vs) y = Mul(of, both) }"""


@pytest.mark.parametrize("text", [INTEGER, DYNAMIC], ids=["QOperator", "dynamic"])
def test_products_of_integers_are_named_too(text):
    refusal = only_refusal(text, find_attention)
    assert "keeps them float" in refusal.reason


def test_a_rounded_classifier_is_no_candidate():
    text = f"""(float[B,8] x, float[8,4] w) => (float[B,4] y) {{ {STEP}
        l = MatMul(x, w) {rounded("r", "l")} p = Softmax<axis=-1>(r) {rounded("y", "p")} }}"""
    assert found_in(text, find_attention) == []


def test_a_rounded_router_is_no_candidate():
    w1, w2 = ("{" + ",".join("1" * size) + "}" for size in (32, 12))
    text = f"""(float[B,8] x) => (float[B,3] y) {{ {STEP}
        a = Constant<value = float[8,4] {w1}>() b = Constant<value = float[4,3] {w2}>()
        l = MatMul(x, a) p = Softmax<axis=-1>(l) {rounded("r", "p")} y = MatMul(r, b) }}"""
    assert found_in(text, find_attention) == []
