"""DequantizeLinear moves behind layouts, where ONNX Runtime would refuse it otherwise."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from pipeline.fusion.plan import plan_for
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.dequantize_last import dequantize_last
from pipeline.graph.rewriting.emit import Shared, value_names
from pipeline.stages.optimize.engine import optimize_graph
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import listing, model_of, numbers_of

ONES, ZEROS = ("{" + ",".join(digit * 32) + "}" for digit in "10")
HEAD = f"""(float[B,S,32] x, int8[B,S,32] xi) => (float[B,S,4,8] y) {{
    st = Constant<value = float {{0.05}}>() zp = Constant<value = int8 {{3}}>()
    many = Constant<value = float[32] {ONES}>() zeros = Constant<value = int8[32] {ZEROS}>()
    hs = Constant<value_ints=[0, 0, 4, 8]>() """


def moved(body: str):
    model = model_of(HEAD + body + " }")
    shared = Shared(value_names(model))
    return model, dequantize_last(model.graph, Facts(model), list(model.graph.inputs), shared)


def test_a_chain_of_layouts_moves_whole():
    chain = "q = QuantizeLinear(x, st, zp) {} y = Transpose<perm=[0,2,1,3]>(t)"
    body = chain.format(
        "d = DequantizeLinear(q, st, zp) r = Reshape(d, hs) t = Transpose<perm=[0,2,1,3]>(r)"
    )
    after = """q = QuantizeLinear(x, st, zp) r = Reshape(q, hs) t = Transpose<perm=[0,2,1,3]>(r)
        u = Transpose<perm=[0,2,1,3]>(t) y = DequantizeLinear(u, st, zp)"""
    model, count = moved(body)
    assert count == 3
    assert listing(model) == listing(model_of(HEAD + after + " }"))
    x = np.random.default_rng(0).standard_normal((2, 5, 32), np.float32)
    feeds = {"x": x, "xi": x.astype(np.int8)}
    np.testing.assert_array_equal(
        numbers_of(model, feeds)[0], numbers_of(model_of(HEAD + body + " }"), feeds)[0]
    )


STAYS = {
    "uint8": "z = Constant<value = uint8 {3}>() q = QuantizeLinear(x, st, z)"
             " d = DequantizeLinear(q, st, z) y = Reshape(d, hs)",
    "a scale per column": "d = DequantizeLinear<axis=2>(xi, many, zeros) y = Reshape(d, hs)",
    "a quantiser follows": "d = DequantizeLinear(xi, st, zp) r = Reshape(d, hs)"
                           " q = QuantizeLinear(r, st, zp) y = DequantizeLinear(q, st, zp)",
    "no layout": "d = DequantizeLinear(xi, st, zp) e = Relu(d) y = Reshape(e, hs)",
}  # fmt: skip


@pytest.mark.parametrize("body", STAYS.values(), ids=STAYS)
def test_what_is_left_alone(body):
    assert moved(body)[1] == 0


def test_another_reader_keeps_its_own():
    model, count = moved(
        "d = DequantizeLinear(xi, st, zp) r = Reshape(d, hs) e = Reshape(d, hs) y = Add(r, e)"
    )
    assert count == 2
    assert sum(node.op_type == "DequantizeLinear" for node in model.graph) == 2


@pytest.mark.parametrize("target", ["ort-cpu", "tensorrt"])
def test_fused_graphs_load_in_onnx_runtime(target):
    """Raised to opset 23, a DequantizeLinear in front of a split into heads was refused there."""
    core = graphs.attention(
        "st = Constant<value = float {0.05}>() zp = Constant<value = int8 {3}>()"
        " qi = QuantizeLinear(q, st, zp) qd = DequantizeLinear(qi, st, zp) q5 = Reshape(qd, hs)"
        " q6 = Transpose<perm=[0,2,1,3]>(q5) rows = Shape<start=2>(q6) qk = MatMul(q6, kh)"
        " s = Mul(qk, half) p = Softmax<axis=-1>(s)",
        outputs=", int64[2] rows",
    )
    model = model_of(core, opset=19)
    fused = optimize_graph(model, plan_for(target), None)
    assert fused.counts["attention"].fused == 1
    data = ir.to_proto(model).SerializeToString()
    onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
