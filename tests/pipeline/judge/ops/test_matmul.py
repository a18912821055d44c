"""Matrix products against ONNX Runtime and onnx.reference."""

import numpy as np
import pytest

from tests.pipeline.judge.one_node import (
    MS,
    assert_same,
    by_ort,
    by_reference,
    feeds_of,
    judged,
    model_of,
    normal,
)

TOLERANCE = 1e-5  # float32 sums of at most a dozen products

FUSED = {
    "plain": (normal(2, 3, 4), normal(2, 4, 5), {}),
    "alpha": (normal(2, 3, 4), normal(4, 5), {"alpha": 0.25}),
    "transA": (normal(2, 4, 3), normal(2, 4, 5), {"transA": 1}),
    "transB": (normal(2, 3, 4), normal(5, 4), {"transB": 1}),
    "both": (normal(4, 3), normal(5, 4), {"transA": 1, "transB": 1}),
    "batch A": (normal(3, 2, 4), normal(2, 4, 5), {"transBatchA": 1}),
    "batch B": (normal(2, 3, 4), normal(4, 2, 5), {"transBatchB": 1}),
    "batch and matrix": (
        normal(3, 2, 4),
        normal(5, 2, 4),
        {"transBatchA": 1, "transBatchB": 1, "transB": 1},
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_fused_matmul(name):
    *inputs, attributes = FUSED[name]
    model = model_of("FusedMatMul", inputs, domain=MS, opset=18, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((3,), (2, 3, 4)),
        ((2, 5, 3), (3,)),
        ((0, 3), (3, 4)),
        ((2, 0), (0, 3)),
        ((2, 1, 3, 4), (5, 4, 2)),
    ],
    ids=str,
)
def test_matmul(a, b):
    inputs = [normal(*a), normal(*b, seed=1)]
    model = model_of("MatMul", inputs)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_reference(model, feeds), TOLERANCE)


@pytest.mark.parametrize(
    "attributes", [{}, {"transA": 1}, {"transB": 1, "alpha": 0.5}, {"beta": 2.0}], ids=str
)
def test_gemm(attributes):
    a = normal(4, 3) if attributes.get("transA") else normal(3, 4)
    b = normal(5, 4) if attributes.get("transB") else normal(4, 5)
    inputs = [a, b, normal(1, 5)]
    model = model_of("Gemm", inputs, **attributes)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), TOLERANCE)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 6, 5)]),
        ("...ij, ...jk", [(2, 3, 4), (2, 4, 5)]),
        ("ii->i", [(4, 4)]),
    ],
    ids=["relative", "ellipsis", "diagonal"],
)
def test_einsum(equation, shapes):
    inputs = [normal(*shape) for shape in shapes]
    model = model_of("Einsum", inputs, equation=equation)
    feeds = feeds_of(model, inputs)
    theirs = [np.einsum(equation.replace(" ", ""), *inputs)]
    assert_same(judged(model, feeds), theirs, TOLERANCE)
