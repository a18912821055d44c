"""Which type a rounded result has."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from pipeline.judge import Judge
from tests.pipeline.judge.one_node import MS, feeds_of, model_of, normal

X, G = normal(2, 3, 8), normal(8)


def types_of(kind, inputs, outputs, **keywords):
    model = model_of(kind, inputs, outputs, **keywords)
    got = Judge(ir.from_proto(model), "declared").run(feeds_of(model, inputs))
    return [y.dtype for y in got.values()]


def test_statistics_keep_the_stash_type():
    half = [X.astype(np.float16), G.astype(np.float16)]
    assert types_of("LayerNormalization", half, 3) == [torch.float16, torch.float32, torch.float32]


def test_an_rms_norm_has_the_type_of_its_scale():
    assert types_of("RMSNormalization", [X.astype(np.float16), G], 1) == [torch.float32]


def test_dequantized_values_have_the_type_of_their_scale():
    inputs = [np.ones((2, 3), np.int8), np.array(0.1, np.float16)]
    assert types_of("DequantizeLinear", inputs, 1, opset=21) == [torch.float16]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_one_fused_node_rounds_once(kind):
    """x * sigmoid(x) as one node has half an ulp of error, as two it may have more."""
    dtype = getattr(torch, kind)
    x = torch.linspace(-4, 4, 4001).to(dtype)
    exact = x.double() * torch.sigmoid(x.double())
    model = model_of("QuickGelu", [x.float().numpy()], domain=MS, opset=18, alpha=1.0)
    got = Judge(ir.from_proto(model), kind).run({"x0": x.float()})["y0"]
    assert torch.equal(got, exact.float().to(dtype))


def test_a_sum_of_halves_is_accumulated_wide():
    ones = np.full((1, 4096), 1.0, np.float16)
    model = model_of(
        "ReduceSum", [ones], opset=21, output_types={0: onnx.TensorProto.FLOAT16}, keepdims=0
    )
    got = Judge(ir.from_proto(model), "declared").run({"x0": ones})["y0"]
    assert float(got) == 4096.0
