"""Pointwise of com.microsoft in standard operators give the same numbers."""

import onnx_ir as ir
import pytest

from pipeline.graph.normalise import normalise
from tests.pipeline.graph.normalise.contrib.written_out import (
    SIZES,
    B,
    X,
    assert_standard_form_gives_the_same,
    text,
)
from tests.pipeline.text_graphs import model_of

CASES = {
    "bias gelu": text(f"{X}, {B}", "y = com.microsoft.BiasGelu(x, b)"),
    "fast gelu": text(f"{X}, {B}", "y = com.microsoft.FastGelu(x, b)"),
    "fast gelu alone": text(X, "y = com.microsoft.FastGelu(x)"),
    "gelu": text(X, "y = com.microsoft.Gelu(x)"),
    "quick gelu": text(X, "y = com.microsoft.QuickGelu<alpha=1.5>(x)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_standard_form_gives_the_same_numbers(case, sizes):
    assert_standard_form_gives_the_same(case, sizes)


def test_float16_constants_follow_the_type():
    half = CASES["quick gelu"].replace("float[", "float16[")
    model = model_of(half)
    normalise(model, 23, frozenset())
    (alpha,) = model.graph.initializers.values()
    assert alpha.dtype == ir.DataType.FLOAT16
