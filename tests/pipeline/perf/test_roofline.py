import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.perf.roofline import Peaks, Tensor, count, limits, node_cost, total

PEAKS = Peaks(flops=1e9, bytes=1e8)


def tensor(*shape, fixed=False):
    return Tensor(shape, 4, fixed)


@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "attributes", "construct", "flops"),
    [
        ("MatMul", [(2, 5, 8), (8, 3)], [(2, 5, 3)], {}, "linear", 2 * 2 * 5 * 3 * 8),
        ("Gemm", [(5, 8), (3, 8), (3,)], [(5, 3)], {"transB": 1}, "linear", 2 * 5 * 3 * 8),
        ("Gemm", [(8, 5), (8, 3)], [(5, 3)], {"transA": 1}, "linear", 2 * 5 * 3 * 8),
        ("MatMulNBits", [(4, 64)], [(4, 32)], {"K": 64}, "linear", 2 * 4 * 32 * 64),
        ("Conv", [(1, 3, 8, 8), (6, 3, 2, 2)], [(1, 6, 4, 4)], {}, "linear", 2 * 96 * 12),
        ("Softmax", [(2, 4, 5, 5)], [(2, 4, 5, 5)], {}, "attention", 5 * 200),
        ("LayerNormalization", [(2, 8), (8,), (8,)], [(2, 8)], {}, "norm", 8 * 16),
        ("Gelu", [(2, 8)], [(2, 8)], {}, "activation", 160),
        ("Add", [(2, 8), (8,)], [(2, 8)], {}, "other", 16),
        ("Transpose", [(2, 8)], [(8, 2)], {}, "layout", 0),
    ],
)
def test_flops(op, inputs, outputs, attributes, construct, flops):
    operands = [tensor(*shape, fixed=i > 0) for i, shape in enumerate(inputs)]
    cost = node_cost(op, operands, [tensor(*shape) for shape in outputs], attributes)
    assert (cost.construct, cost.flops) == (construct, flops)
    assert cost.bytes == sum(t.bytes for t in operands) + sum(
        tensor(*shape).bytes for shape in outputs
    )


def test_a_product_of_two_activations_is_attention():
    cost = node_cost("MatMul", [tensor(2, 4, 5, 8), tensor(2, 4, 8, 5)], [tensor(2, 4, 5, 5)], {})
    assert cost.construct == "attention"


@pytest.mark.parametrize(
    ("query", "key", "present", "attributes", "flops"),
    [
        ((2, 4, 5, 8), (2, 4, 7, 8), None, {}, 4 * 2 * 4 * 5 * 7 * 8),
        ((2, 5, 32), (2, 7, 32), None, {}, 4 * 2 * 5 * 7 * 32),
        ((2, 4, 5, 8), (2, 2, 5, 8), None, {"is_causal": 1}, 2 * 2 * 4 * 5 * 5 * 8),
        ((2, 4, 1, 8), (2, 4, 1, 8), (2, 4, 9, 8), {"is_causal": 1}, 4 * 2 * 4 * 1 * 9 * 8),
    ],
    ids=["4d", "3d", "causal-grouped", "decode-with-cache"],
)
def test_attention(query, key, present, attributes, flops):
    outputs = [tensor(*query), *([tensor(*present)] if present else [])]
    inputs = [tensor(*query), tensor(*key), tensor(*key)]
    assert node_cost("Attention", inputs, outputs, attributes).flops == flops


def test_a_lookup_moves_its_rows_not_the_table():
    table, ids, rows = tensor(30000, 8, fixed=True), tensor(2, 3), tensor(2, 3, 8)
    cost = node_cost("Gather", [table, ids], [rows], {"axis": 0})
    assert (cost.construct, cost.flops, cost.bytes) == ("embedding", 0, 2 * rows.bytes)
    assert node_cost("Reshape", [rows], [tensor(6, 8)], {}).bytes == 0


def test_the_limit_is_the_slower_of_computing_and_moving():
    compute = node_cost("MatMul", [tensor(100, 100), tensor(100, 100)], [tensor(100, 100)], {})
    assert compute.limit_ms(PEAKS) == pytest.approx(2.0)
    assert compute.limit_ms(Peaks(1e12, 1e8)) == pytest.approx(1.2)
    table = limits([compute, compute], PEAKS)
    assert table.limit_ms == pytest.approx(4.0)
    assert table.constructs[0].bound == "compute"
    assert total([compute, compute])["attention"].flops == 4e6


MODEL = """<ir_version: 10, opset_import: ["" : 20]>
g (float[batch, seq, 8] x) => (float[batch, seq, 4] y)
<float[8, 4] w = {0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}> {
  h = MatMul(x, w)
  y = Relu(h)
}"""


def test_a_graph_is_counted_at_given_sizes():
    model = ir.from_onnx_text(MODEL)
    costs, unknown = count(Facts(model), model, {"batch": 2, "seq": 3})
    assert unknown == 0
    assert [(cost.construct, cost.flops) for cost in costs.values()] == [
        ("linear", 2 * 2 * 3 * 4 * 8),
        ("activation", 24),
    ]
    assert next(iter(costs.values())).bytes == 4 * (2 * 3 * 8 + 32 + 2 * 3 * 4)
    assert count(Facts(model), model, {"batch": 2}) == ({}, 2)
