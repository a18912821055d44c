"""Three projections of one input become one, of weights that stay apart in the file."""

import numpy as np
import pytest

from pipeline.fusion.ort.packed_attention.find import find_packed_attention
from pipeline.fusion.ort.packed_attention.lower import FuseAttentionPacked
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import assert_becomes, found_in, model_of, rewritten

TOLERANCE = 1e-5  # float32 sums of 24 products, in another order
LOWERING = FuseAttentionPacked()
X = ", float[B,S,24] x"
PRODUCTS = "q1 = MatMul(x, wq) k1 = MatMul(x, wk) v1 = MatMul(x, wv)"
SUMS = "q2 = Add(q1, bq) k2 = Add(bk, k1) v2 = Add(v1, bv)"
PACKED = "w = Concat<axis=1>(wq, wk, wv) a1 = MatMul(x, w)"
PACKED_SUM = "b = Concat<axis=0>(bq, bk, bv) a2 = Add(a1, b)"


def text(before, q, k, v):
    """Return attention in place after projections."""
    return graphs.fused(inputs=X, before=before, q=q, k=k, v=v)


PLAIN = text(PRODUCTS, "q1", "k1", "v1")
WITH_BIAS = text(f"{PRODUCTS} {SUMS}", "q2", "k2", "v2")
CASES = {
    "products": (PLAIN, text(PACKED, "a1", "", "")),
    "with biases": (WITH_BIAS, text(f"{PACKED} {PACKED_SUM}", "a2", "", "")),
}


def weighted(graph: str) -> str:
    """Return the graph with values for the weights it reads, as initializers."""
    random, found = np.random.default_rng(0), []
    shapes = {"wq": (24, 64), "wk": (24, 32), "wv": (24, 32), "bq": (64,), "bk": (32,), "bv": (32,)}
    for name, shape in shapes.items():
        if f" {name})" in graph or f"({name}," in graph or f" {name}," in graph:
            numbers = ", ".join(f"{x:.4f}" for x in random.normal(size=shape).reshape(-1) / 4)
            found.append(f"float[{','.join(map(str, shape))}] {name} = {{{numbers}}}")
    head, body = graph.split("{", 1)
    return f"{head}<{', '.join(found)}> {{{body}"


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_before_and_after(before, after):
    before, after = weighted(before), weighted(after)
    assert_becomes(before, after, find_packed_attention, LOWERING, opset=graphs.OPSET)


@pytest.mark.parametrize("before", [before for before, _ in CASES.values()], ids=CASES)
def test_numbers(before):
    model = model_of(weighted(before), graphs.OPSET)
    after = rewritten(weighted(before), find_packed_attention, LOWERING, opset=graphs.OPSET)
    for name, difference in graphs.differences(model, after):
        assert difference <= TOLERANCE, name


def test_weights_are_referred_to_not_copied():
    after = rewritten(weighted(PLAIN), find_packed_attention, LOWERING, opset=graphs.OPSET)
    assert {"wq", "wk", "wv"} <= set(after.graph.initializers)
    large = [v for v in after.graph.initializers.values() if v.const_value.size > 100]
    assert len(large) == 3


OTHER = {
    "another input": text(PRODUCTS.replace("MatMul(x, wv)", "MatMul(q1, vv)"), "q1", "k1", "v1"),
    "one bias of three": text(f"{PRODUCTS} q2 = Add(q1, bq)", "q2", "k1", "v1"),
    "a product read elsewhere": graphs.fused(
        inputs=X, before=f"{PRODUCTS} z = Neg(k1)", q="q1", k="k1", v="v1",
        outputs=", float[B,S,32] z",
    ),
    "a computed weight": text(
        PRODUCTS.replace("MatMul(x, wk)", "MatMul(x, half) ") + " half = Neg(wk)", "q1", "k1", "v1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("graph", OTHER.values(), ids=OTHER)
def test_what_is_no_product_of_one_input_alone_is_left(graph):
    if "vv" in graph:
        graph = graph.replace("float[B,S,24] x", "float[B,S,24] x, float[64,32] vv")
    assert found_in(weighted(graph), find_packed_attention) == []


def test_weights_handed_in_are_left():
    graph = PLAIN.replace(X, f"{X}, float[24,64] wq, float[24,32] wk, float[24,32] wv")
    assert found_in(graph, find_packed_attention) == []
