"""Proofs accept what computes the same, and name what does not."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.regions import cut
from pipeline.stages.optimize.proof import Prover, _compare
from tests.pipeline.text_graphs import model_of

SOFTMAX = """(float[B,S] x, bool[B,S] m) => (float[B,S] y) {
    low = Constant<value = float {-3.4028235e38}>() w = Where(m, x, low) e = Exp(w)
    a = Constant<value_ints=[-1]>() t = ReduceSum(e, a) y = Div(e, t) }"""


def region_of(text, build, operands=("x",)):
    """Return the region of the output and of what `build(emit, values)` makes instead."""
    model = model_of(text)
    facts = Facts(model)
    values = {v.name: v for v in model.graph.inputs}
    values |= {v.name: v for node in model.graph for v in node.outputs}
    output = model.graph.outputs[0]
    emit = Emitter(facts, output.producer(), "test", model.graph.inputs)
    new = build(emit, values)
    chosen = [values[name] for name in operands]
    return cut([output], [new], [*model.graph, *emit.nodes], chosen, facts, {"": 23})


def test_equal_regions_are_proven_on_several_sizes():
    region = region_of(SOFTMAX, lambda emit, v: emit.one("Softmax", [v["w"]], {"axis": -1}))
    certificate = Prover().prove(region)
    assert certificate.ok, certificate.reason
    assert certificate.runs >= 6
    assert certificate.error <= certificate.allowed


WRONG = {
    "wrong axis": lambda emit, v: emit.one("Softmax", [v["w"]], {"axis": 0}),
    "mask forgotten": lambda emit, v: emit.one("Softmax", [v["x"]], {"axis": -1}),
    "shape changed": lambda emit, v: emit.one("Transpose", [v["w"]]),
    "a little off": lambda emit, v: emit.one(
        "Mul", [emit.one("Softmax", [v["w"]], {"axis": -1}), np.float32(1.0001)]
    ),
}


@pytest.mark.parametrize("build", WRONG.values(), ids=WRONG)
def test_what_computes_something_else_fails_with_values(build):
    certificate = Prover().prove(region_of(SOFTMAX, build))
    assert not certificate.ok
    assert "differs by" in certificate.reason or "shape" in certificate.reason


def test_one_structure_is_proven_once():
    prover = Prover()
    regions = [
        region_of(SOFTMAX, lambda emit, v: emit.one("Softmax", [v["w"]], {"axis": -1}))
        for _ in range(2)
    ]
    first, second = prover.prove(regions[0]), prover.prove(regions[1])
    assert first.seconds > second.seconds == 0.0
    assert replace(first, seconds=0.0) == second


def test_a_constant_of_another_value_is_another_structure():
    one = region_of(SOFTMAX, lambda emit, v: emit.one("Softmax", [v["w"]], {"axis": -1}))
    other = region_of(
        SOFTMAX.replace("-3.4028235e38", "-1e9"),
        lambda emit, v: emit.one("Softmax", [v["w"]], {"axis": -1}),
    )
    assert one.digest != other.digest


def test_a_total_declared_apart_is_found():
    text = """(float[B,T] m, float[B,P] x, float[B,S] z) => (float[B,T] y) {
        c = Concat<axis=1>(x, z) y = Add(c, m) }"""
    region = region_of(text, lambda emit, v: emit.one("Add", [v["m"], v["c"]]), ("m", "x", "z"))
    certificate = Prover().prove(region)
    assert certificate.ok, certificate.reason


def test_undefined_rows_bind_nothing_but_others_do():
    text = """(float[B,S] x) => (float[B,S] y) { l = Sqrt(x) y = Identity(l) }"""
    kept = region_of(text, lambda emit, v: emit.one("Pow", [v["x"], np.float32(0.5)]))
    assert Prover().prove(kept).ok
    zeros = region_of(text, lambda emit, v: emit.one("Relu", [v["x"]]))
    assert not Prover().prove(zeros).ok


def test_weights_in_a_data_file_are_proven_like_others(tmp_path):
    weight = np.linspace(0.5, 2.0, 8, dtype=np.float32)
    (tmp_path / "weights.data").write_bytes(weight.tobytes())

    def build(emit, values):
        scale = values["w"]
        scale.const_value = ir.ExternalTensor(
            location="weights.data", offset=0, length=weight.nbytes, dtype=ir.DataType.FLOAT,
            shape=ir.Shape([8]), name="w", base_dir=tmp_path,
        )  # fmt: skip
        return emit.one("Mul", [scale, values["x"]])

    text = """(float[B,8] x) => (float[B,8] y) {
        w = Constant<value = float[8] {1,1,1,1,1,1,1,1}>() y = Mul(x, w) }"""
    certificate = Prover().prove(region_of(text, build))
    assert certificate.ok, certificate.reason
    assert certificate.engine.startswith("onnxruntime")


def test_the_worst_the_original_errs_by_is_what_the_replacement_may_err_by():
    want, close, there = (np.array([10.0, x]) for x in (1.0, 1.0001, 1.001))
    got = np.array([10.0, 1.005])
    assert "differs by 0.005" in _compare(want, [close], got)[2]
    assert _compare(want, [close, there], got)[1:] == (pytest.approx(0.008), "")
    assert "differs by 0.02" in _compare(want, [close, there], np.array([10.0, 1.02]))[2]
