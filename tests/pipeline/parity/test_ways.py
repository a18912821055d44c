"""The precision of an output is that of its way, whatever else stands in the file."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model

from pipeline.parity.options import ParityOptions
from pipeline.parity.stage import compare_parity
from pipeline.parity.ways import narrowest, output_precisions, output_units
from pipeline.records.parity import ParityRecord

HEAD = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft": 1]>\n'


def precisions(text, **constants):
    model = parse_model(HEAD + text)
    for name, array in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return output_precisions(ir.from_proto(onnx.shape_inference.infer_shapes(model)))


W32, W16 = np.ones((4, 4), np.float32), np.ones((4, 4), np.float16)
W8, SCALE = np.ones((4, 4), np.int8), np.float32(0.1)


def test_one_small_constant_does_not_make_a_half_precision_graph():
    found = precisions(
        "g (float[n, 4] x) => (float[n, 4] y) "
        "{ c = Cast<to = 1>(half) h = Mul(x, c) y = MatMul(h, w) }",
        half=np.float16(0.5), w=W32,
    )  # fmt: skip
    assert found == {"y": "fp32"}


def test_one_product_of_three_in_half_precision_does_not_either():
    found = precisions(
        "g (float[n, 4] x) => (float[n, 4] y) "
        "{ c = Cast<to = 1>(v) a = MatMul(x, c) b = MatMul(a, w) y = MatMul(b, w) }",
        v=W16, w=W32,
    )  # fmt: skip
    assert found == {"y": "fp32"}


def test_weights_stored_in_half_precision_do():
    found = precisions(
        "g (float[n, 4] x) => (float[n, 4] y) { c = Cast<to = 1>(w) y = MatMul(x, c) }", w=W16
    )
    assert found == {"y": "fp16"}


def test_half_precision_products_with_outputs_in_float_do():
    found = precisions(
        "g (float[n, 4] x) => (float[n, 4] y) "
        "{ h = Cast<to = 10>(x) p = MatMul(h, w) y = Cast<to = 1>(p) }",
        w=W16,
    )  # fmt: skip
    assert found == {"y": "fp16"}


def test_only_outputs_behind_the_quantiser_are_quantised():
    found = precisions(
        "g (float[n, 4] x) => (float[n, 4] y, float[n, 4] z) "
        "{ w = DequantizeLinear(q, s) y = MatMul(x, w) z = MatMul(x, v) }",
        q=W8, s=SCALE, v=W32,
    )  # fmt: skip
    assert found == {"y": "int8-weights", "z": "fp32"}


@pytest.mark.parametrize(
    ("nodes", "format_"),
    [
        ("b, t, z = DynamicQuantizeLinear(x) i = MatMulInteger(b, q, z) y = Cast<to = 1>(i)",
         "int8"),
        ("y = com.microsoft.DynamicQuantizeMatMul(x, q, s)", "int8"),
        ("b = QuantizeLinear(x, s, u) a = DequantizeLinear(b, s, u) y = MatMul(a, v)",
         "int8-static"),
        ("y = com.microsoft.MatMulNBits<K = 4, N = 4, bits = 4, block_size = 16>(x, q, s)", "int4"),
        ("y = com.microsoft.MatMulNBits<K = 4, N = 4, bits = 8, block_size = 16>(x, q, s)",
         "int8-weights"),
        ("y = Identity(x)", "fp32"),
    ],
)  # fmt: skip
def test_formats(nodes, format_):
    found = precisions(
        f"g (float[n, 4] x) => (float[n, 4] y) {{ {nodes} }}",
        q=W8, s=SCALE, u=np.uint8(0), v=W32,
    )  # fmt: skip
    assert found == {"y": format_}


def test_what_stands_in_a_branch_counts():
    found = precisions(
        "g (float[n, 4] x, bool c) => (float[n, 4] y) { y = If (c) <"
        "then_branch = a () => (float[n, 4] p) { w = DequantizeLinear(q, s) p = MatMul(x, w) },"
        "else_branch = b () => (float[n, 4] r) { r = Identity(x) }> }",
        q=W8, s=SCALE,
    )  # fmt: skip
    assert found == {"y": "int8-weights"}


def test_the_one_that_loses_most_names_a_graph():
    assert narrowest(["fp32", "int8", "fp16"]) == "int8"
    assert narrowest([]) == "fp32"


def sigmoid(bias):
    """Return a detector that sees nothing: all its outputs are near e^bias."""
    text = """<ir_version: 10, opset_import: ["": 20]>
    g (float[batch, 64] x) => (float[batch, 32] y) {
        a = MatMul(x, w)  b = Add(a, c)  s = Sigmoid(b)  y = Identity(s)
    }"""
    model = parse_model(text)
    weights = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32) / 8
    for name, array in (("w", weights), ("c", np.full(32, bias, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


@pytest.mark.parametrize(("bias", "passes"), [(-14.0, True), (-13.5, False)])
def test_a_sigmoid_errs_by_ulps_of_one_and_no_more(tmp_path, bias, passes):
    """ONNX Runtime's is 1e-7 off where it gives 1e-6; half a step of its input is seen."""
    onnx.save(sigmoid(-14.0), tmp_path / "reference.onnx")
    onnx.save(sigmoid(bias), tmp_path / "candidate.onnx")
    options = ParityOptions(
        tmp_path / "reference.onnx", (tmp_path / "candidate.onnx",), output=tmp_path / "out"
    )
    assert ParityRecord.of(compare_parity(options)).passed is passes


def test_values_that_no_sigmoid_makes_err_by_their_own_ulps():
    model = ir.from_proto(sigmoid(0.0))
    assert output_units(model) == {"y": 1.0}
    node = next(node for node in model.graph if node.op_type == "Sigmoid")
    node.op_type = "Tanh"
    assert output_units(model) == {"y": 0.0}
