"""Which precision rounds what, on which target."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline import NoKernelsError, OptimizeOptions, UsageError, optimize, optimize_model
from pipeline.fusion.construct import Choice
from pipeline.fusion.linear import passes
from pipeline.fusion.linear.find import find_linears
from pipeline.fusion.linear.forms import EIGHT, FOUR, rounded
from pipeline.graph.inference.facts import Facts
from tests.pipeline.fusion.linear.linear_graphs import mlp, with_weights

FORMS = [
    ("ort-cpu", "int8-weights", ["round_in_blocks"] * 3),
    ("ort-cpu", "int4", ["round_in_blocks"] * 3),
    ("ort-cpu", "int8", ["round_both", "round_both", "round_in_blocks"]),
    ("onnx", "int8-weights", ["round_weights"] * 3),
    ("onnx", "int4", ["round_weights"] * 3),
    ("onnx", "int8", ["round_both", "round_both", "round_weights"]),
    ("tensorrt", "int8-weights", ["round_weights"] * 3),
    ("tensorrt-rtx", "int4", ["round_weights"] * 3),
]


@pytest.mark.parametrize(("target", "precision", "lowerings"), FORMS)
def test_each_target_has_its_spelling_of_one_meaning(target, precision, lowerings):
    made = optimize(mlp(), target=target, precision=precision)
    sites = [s for s in made.record.sites if s.construct == "linear"]
    assert [s.lowering for s in sites] == lowerings
    assert all(s.proof is not None and s.proof.ok for s in sites)


@pytest.mark.parametrize("target", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_gets_positive_scales_and_no_zero_points(target):
    made = optimize(mlp(), target=target, precision="int4")
    nodes = [n for n in made.model.graph if n.op_type == "DequantizeLinear"]
    assert len(nodes) == 3
    for node in nodes:
        assert len(node.inputs) == 2
        assert (node.inputs[1].const_value.numpy() > 0).all()
    assert nodes[0].inputs[0].dtype == ir.DataType.INT4


def test_heads_stay_at_eight_bits():
    made = optimize(mlp(), precision="int4")
    bits = [n.attributes["bits"].value for n in made.model.graph if n.op_type == "MatMulNBits"]
    assert bits == [4, 4, 8]


def test_nothing_is_rounded_unasked():
    assert passes(Choice("ort-cpu")) == passes(Choice("ort-cpu", precision="fp16")) == ()


@pytest.mark.parametrize(
    ("target", "precision", "fix"),
    [("tensorrt", "int8", "int8-weights"), ("ort-cuda", "int4", "--target onnx")],
)
def test_without_a_right_form_the_nearest_is_named(target, precision, fix, tmp_path):
    with pytest.raises(NoKernelsError) as caught:
        optimize_model(
            OptimizeOptions(
                tmp_path / "x.onnx", tmp_path / "y.onnx", target=target, precision=precision
            )
        )
    assert fix in caught.value.fix


def test_fp8_is_refused_before_any_work():
    with pytest.raises(UsageError, match="fp8 is not available yet"):
        optimize(mlp(), target="tensorrt", precision="fp8")


def test_k_without_a_block_stays_float_with_its_reason():
    model = with_weights(
        "(float[B,40] x, float[40,64] w) => (float[B,64] y) { y = MatMul(x, w) }", w=(40, 64)
    )
    made = optimize(model, precision="int4")
    (site,) = made.record.sites
    assert site.state == "refused"
    assert "K is 40" in site.refusal.reason
    assert [n.op_type for n in made.model.graph] == ["MatMul"]


def test_rounding_is_the_same_whenever_it_is_asked():
    model = mlp()
    up, down, _ = find_linears(model.graph, Facts(model))
    first = rounded(up, FOUR)
    rounded(down, EIGHT)
    again = rounded(up, FOUR)
    assert first is not again
    assert np.array_equal(first.codes, again.codes)
