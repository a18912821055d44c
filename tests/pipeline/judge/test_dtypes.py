"""Element types across numpy, torch and ONNX."""

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
import torch

from pipeline.errors import BadModelError
from pipeline.judge.dtypes import integer_range, precision_of, to_torch


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_narrow_floats_go_over_bit_by_bit(name):
    values = np.array([0.0, -1.5, 2.0, 0.25], getattr(ml_dtypes, name))
    tensor = to_torch(values)
    assert tensor.dtype == getattr(torch, name)
    assert tensor.float().tolist() == [0.0, -1.5, 2.0, 0.25]


def test_sub_byte_integers_are_held_one_per_byte():
    assert to_torch(np.array([-8, 7], ml_dtypes.int4)).tolist() == [-8, 7]
    assert to_torch(np.array([15], ml_dtypes.uint4)).dtype == torch.uint8


def test_foreign_byte_order_and_read_only_memory_are_taken():
    array = np.array([1.0, 2.0], ">f4")
    array.flags.writeable = False
    assert to_torch(array).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([0], ml_dtypes.float4_e2m1fn)])
def test_what_has_no_numbers_is_refused(array):
    with pytest.raises(BadModelError, match="cannot be judged"):
        to_torch(array)


def test_a_mode_holds_wide_floats_only():
    exact = precision_of("float64", True)
    assert exact.held(ir.DataType.FLOAT16) == torch.float64
    assert exact.held(ir.DataType.INT32) == torch.int32
    assert exact.held(ir.DataType.FLOAT8E4M3FN) == torch.float8_e4m3fn
    assert precision_of("declared", True).held(ir.DataType.BFLOAT16) == torch.bfloat16


def test_quantized_ranges():
    assert integer_range(ir.DataType.INT4) == (-8, 7)
