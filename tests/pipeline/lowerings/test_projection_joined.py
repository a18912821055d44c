"""Small products become one, bit for bit as wide; large ones stay where their weights lie."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.graph.facts import Facts
from pipeline.graph.recognise.projection import find_projections
from pipeline.lowerings.projection_joined import JoinProjections
from pipeline.optimize.engine import optimize_graph
from pipeline.optimize.passes import Plan
from pipeline.optimize.proof import Prover
from pipeline.optimize.rewrite import Pass, Rewriter
from tests.pipeline.text_graphs import feeds_of, numbers_of

TEXT = """<ir_version: 10, opset_import: ["" : 23]>
    g (float[B,S,8] x) => (float[B,S,4] y, float[B,S,6] z, float[B,S,4] u) {
    y = MatMul(x, q) z = MatMul(x, k) u = Neg(y) }"""
PASSES = (Pass("projection", find_projections, (JoinProjections(),)),)
TOLERANCE = 2e-6  # float32 sums of 8


def model(q=(8, 4), k=(8, 6)):
    proto = onnx.parser.parse_model(TEXT)
    rng = np.random.default_rng(0)
    for name, shape in (("q", q), ("k", k)):
        array = rng.standard_normal(shape, dtype=np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(proto)


def test_before_and_after():
    made = model()
    fused = optimize_graph(made, Plan(23, {}, PASSES), Prover())
    assert [o.state for o in fused.outcomes] == ["fused"]
    assert [node.op_type for node in made.graph] == ["MatMul", "Split", "Neg"]
    (weight,) = [v for v in made.graph.initializers.values() if v.dtype == ir.DataType.FLOAT]
    assert list(weight.shape.numpy()) == [8, 10]


def test_numbers_and_a_second_consumer_stay():
    before, after = model(), model()
    optimize_graph(after, Plan(23, {}, PASSES), None)
    feeds = feeds_of(before)
    for want, got in zip(numbers_of(before, feeds), numbers_of(after, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE)


def test_large_matrices_stay_where_they_lie():
    made = model()
    for name, columns in (("q", 1 << 19), ("k", 1 << 19)):
        lazy = ir.LazyTensor(
            lambda: pytest.fail("the weights were read"),
            dtype=ir.DataType.FLOAT, shape=ir.Shape([8, columns]), name=name,
        )  # fmt: skip
        made.graph.initializers[name].const_value = lazy
    (outcome,) = Rewriter(made, Facts(made), None).run(PASSES)
    assert outcome.state == "plain"
    assert "8388608 weights keep every thread busy" in outcome.refusal.reason


def test_the_proof_sees_a_wrong_cut():
    class Wrong(JoinProjections):
        def lower(self, site, emit):
            first, second = super().lower(site, emit)
            return emit.one("Neg", [first]), second

    made = model()
    plan = Plan(23, {}, (Pass("projection", find_projections, (Wrong(),)),))
    fused = optimize_graph(made, plan, Prover())
    assert [o.state for o in fused.outcomes] == ["refused"]
    assert [node.op_type for node in made.graph] == ["MatMul", "MatMul", "Neg"]
