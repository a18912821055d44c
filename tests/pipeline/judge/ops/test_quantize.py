"""Quantized operators against ONNX Runtime and onnx.reference."""

import numpy as np
import onnx
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

FLOAT = onnx.TensorProto.FLOAT


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zeros", [False, True], ids=["symmetric", "zero points"])
@pytest.mark.parametrize("inner", [64, 40], ids=["whole blocks", "ragged"])
def test_matmul_nbits(bits, zeros, inner):
    rng = np.random.default_rng(0)
    columns, block = 5, 16
    blocks = -(-inner // block)
    packed = rng.integers(0, 256, (columns, blocks, block * bits // 8)).astype(np.uint8)
    points = rng.integers(0, 256, (columns, -(-blocks * bits // 8))).astype(np.uint8)
    inputs = [normal(3, inner), packed, np.abs(normal(columns, blocks)), points if zeros else None]
    model = model_of(
        "MatMulNBits",
        inputs,
        domain=MS,
        opset=18,
        constants=[i for i in (1, 2, 3) if inputs[i] is not None],
        K=inner,
        N=columns,
        bits=bits,
        block_size=block,
    )
    feeds = feeds_of(model, inputs)
    # float32 against float64 over at most 64 products
    assert_same(judged(model, feeds), by_ort(model, feeds), 1e-5)


@pytest.mark.parametrize("per_column", [False, True], ids=["tensor", "column"])
def test_dynamic_quantize_matmul(per_column):
    rng = np.random.default_rng(0)
    scale = np.abs(normal(6)) if per_column else np.abs(normal(1))[0]
    inputs = [
        normal(4, 8),
        rng.integers(-127, 127, (8, 6)).astype(np.int8),
        scale.astype(np.float32),
        np.zeros_like(scale, dtype=np.int8),
        normal(6),
    ]
    model = model_of("DynamicQuantizeMatMul", inputs, domain=MS, opset=18, constants=[1, 2, 3, 4])
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), 1e-5)


QUANTIZE = {
    "tensor": ((4, 6), (), {}),
    "axis": ((4, 6), (6,), {"axis": 1}),
    "blocks": ((4, 6), (4, 2), {"axis": 1, "block_size": 3}),
}


@pytest.mark.parametrize("name", QUANTIZE)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16], ids=lambda d: d.__name__)
def test_quantize_and_back(name, dtype):
    shape, grain, attributes = QUANTIZE[name]
    scale = np.abs(normal(*grain, seed=1)) / 20 + 0.01
    zero = np.full(grain, 3, dtype)
    inputs = [normal(*shape), np.float32(scale).reshape(grain), zero]
    code = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = model_of("QuantizeLinear", inputs, output_types={0: code}, opset=21, **attributes)
    feeds = feeds_of(model, inputs)
    quantized = by_reference(model, feeds)
    assert_same(judged(model, feeds), quantized, 0.0)
    back = model_of(
        "DequantizeLinear",
        [quantized[0], *inputs[1:]],
        output_types={0: FLOAT},
        opset=21,
        **attributes,
    )
    feeds = feeds_of(back, [quantized[0], *inputs[1:]])
    assert_same(judged(back, feeds), by_reference(back, feeds), 1e-6)


def test_out_of_range_saturates():
    inputs = [np.array([-1e9, 0.4, 0.5, 1.5, 1e9], np.float32), np.float32(1), np.int8(0)]
    model = model_of("QuantizeLinear", inputs, output_types={0: onnx.TensorProto.INT8}, opset=21)
    (y,) = judged(model, feeds_of(model, inputs))
    assert y.tolist() == [-128, 0, 0, 2, 127]


def test_matmul_integer_with_row_and_column_zero_points():
    rng = np.random.default_rng(0)
    inputs = [
        rng.integers(0, 255, (3, 4)).astype(np.uint8),
        rng.integers(0, 255, (4, 5)).astype(np.uint8),
        np.array(7, np.uint8),
        rng.integers(0, 255, 5).astype(np.uint8),
    ]
    model = model_of("MatMulInteger", inputs, output_types={0: onnx.TensorProto.INT32}, opset=21)
    feeds = feeds_of(model, inputs)
    assert_same(judged(model, feeds), by_ort(model, feeds), 0.0)
