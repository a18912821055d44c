"""Written-out norms with quantisers around them, and inside them."""

import pytest

from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.rounded import find_rounded_norms
from pipeline.fusion.norm.site import NormSite
from tests.pipeline.text_graphs import found_in, only_refusal, only_site

STEP = "st = Constant<value = float {0.05}>() zp = Constant<value = int8 {3}>() "
NORM = """(float[B,S,32] x) => (float[B,S,32] y) {
    last = Constant<value_ints=[-1]>() eps = Constant<value = float {1e-5}>()
    two = Constant<value = float {2.0}>() """ + STEP  # fmt: skip
CHAIN = {"x0": "Identity(x)", "sq": "Pow({x0}, two)", "ms": "ReduceMean({sq}, last)",
         "e": "Add({ms}, eps)", "root": "Sqrt({e})", "y": "Div({x0}, {root})"}  # fmt: skip


def norm(rounded: str = "") -> str:
    """Return an RMSNorm with one of its values rounded to int8 and back."""
    names = {name: name for name in CHAIN}
    text = NORM
    for name, call in CHAIN.items():
        text += f" {name} = {call.format_map(names)}"
        if name == rounded:
            text += f" {name}i = QuantizeLinear({name}, st, zp)"
            text += f" {name}r = DequantizeLinear({name}i, st, zp)"
            names[name] = f"{name}r"
    return text + " }"


@pytest.mark.parametrize("inside", ["sq", "ms", "e", "root"])
def test_a_quantiser_inside_is_named(inside):
    assert not any(isinstance(found, NormSite) for found in found_in(norm(inside), find_norms))
    refusal = only_refusal(norm(inside), find_rounded_norms)
    assert refusal.reason.startswith("its statistics become int8")
    assert refusal.node is not None
    assert refusal.node.op_type in ("QuantizeLinear", "DequantizeLinear")


def test_a_quantiser_outside_is_no_matter():
    assert only_site(norm("x0"), find_norms).x.name == "x0r"
    assert found_in(norm("x0"), find_rounded_norms) == []
    assert found_in(norm(), find_rounded_norms) == []


def test_a_mean_of_squares_that_is_no_norm():
    text = NORM.replace("[B,S,32] y", "[B,S,1] y") + (
        "sq = Mul(x, x) i = QuantizeLinear(sq, st, zp) d = DequantizeLinear(i, st, zp)"
        " y = ReduceMean(d, last) }"
    )
    assert found_in(text, find_rounded_norms) == []
