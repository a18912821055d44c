"""Products of two tensors, whatever operator writes them."""

import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import contraction_of
from tests.pipeline.text_graphs import model_of

CASES = {
    "MatMul": ("MatMul(a, b)", "B,4,S,8", "B,4,8,T",
               (("...2", "...1", "m", "k"), ("...2", "...1", "k", "n")),
               ("...2", "...1", "m", "n")),
    "MatMul, one side without batch": (
        "MatMul(a, b)", "B,4,S,8", "8,T",
        (("...2", "...1", "m", "k"), ("k", "n")), ("...2", "...1", "m", "n")),
    "Gemm transposed": ("Gemm<transB=1>(a, b)", "S,8", "T,8",
                        (("m", "k"), ("n", "k")), ("m", "n")),
    "Einsum": ('Einsum<equation="bihd, bjhd -> bhij">(a, b)', "B,S,4,8", "B,T,4,8",
               (("b", "i", "h", "d"), ("b", "j", "h", "d")), ("b", "h", "i", "j")),
    "Einsum with open axes": (
        'Einsum<equation="...qhd,...khd->...hqk">(a, b)', "B,N,S,4,8", "N,T,4,8",
        (("...2", "...1", "q", "h", "d"), ("...1", "k", "h", "d")),
        ("...2", "...1", "h", "q", "k")),
    "Einsum with no axis for the dots": (
        'Einsum<equation="...ij,...kj->...ik">(a, b)', "S,8", "T,8",
        (("i", "j"), ("k", "j")), ("i", "k")),
    "FusedMatMul": ("com.microsoft.FusedMatMul<transB=1, alpha=0.5>(a, b)", "B,S,8", "B,T,8",
                    (("...1", "m", "k"), ("...1", "n", "k")), ("...1", "m", "n")),
}  # fmt: skip


def read(call, a, b):
    model = model_of(f"(float[{a}] a, float[{b}] b) => (float y) {{ y = {call} }}")
    return contraction_of(model.graph[0], Facts(model))


@pytest.mark.parametrize(("call", "a", "b", "labels", "out"), CASES.values(), ids=CASES)
def test_axes_are_labelled(call, a, b, labels, out):
    found = read(call, a, b)
    assert found.labels == labels
    assert found.out == out
    assert found.scale == (0.5 if "alpha" in call else 1.0)


NOT = {
    "Einsum with a diagonal": ('Einsum<equation="bii,bij->bj">(a, b)', "B,S,S", "B,S,T"),
    "Einsum that sums one operand alone": (
        'Einsum<equation="bid,bjd->bj">(a, b)',
        "B,S,8",
        "B,T,8",
    ),
    "Einsum that sums open axes": ('Einsum<equation="...id,...jd->ij">(a, b)', "B,S,8", "B,T,8"),
    "an outer product": ('Einsum<equation="bi,bj->bij">(a, b)', "B,S", "B,T"),
    "an elementwise product": ("Mul(a, b)", "B,S", "B,S"),
    "a vector": ("MatMul(a, b)", "B,S,8", "8"),
}


@pytest.mark.parametrize(("call", "a", "b"), NOT.values(), ids=NOT)
def test_other_things_are_none(call, a, b):
    assert read(call, a, b) is None
