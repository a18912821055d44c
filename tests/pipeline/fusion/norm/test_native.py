"""Norm operators are named with the size they normalise."""

import pytest

from pipeline.fusion.norm.native import find_native_norms
from tests.pipeline.text_graphs import found_in


@pytest.mark.parametrize(
    ("norm", "form"),
    [
        ("LayerNormalization(x, w)", "LayerNorm over 8"),
        ("RMSNormalization<axis=1>(x, v)", "RMSNorm over 4x8"),
        ("SimplifiedLayerNormalization(x, w)", "RMSNorm over 8"),
        ("com.microsoft.SkipSimplifiedLayerNormalization(x, x, w)",
         "residual + RMSNorm over 8"),
    ],
    ids=["layer", "rms", "simplified", "skip"],
)  # fmt: skip
def test_forms(norm, form):
    text = f"(float[B,4,8] x, float[8] w, float[4,8] v) => (float[B,4,8] y) {{ y = {norm} }}"
    (site,) = found_in(text, find_native_norms)
    assert (site.form, site.native) == (form, True)


def test_other_operators_are_not_norms():
    assert found_in("(float[B,8] x) => (float[B,8] y) { y = Neg(x) }", find_native_norms) == []
