"""NaN in weights is told; rows that are hidden whole bind nothing, the others do."""

import numpy as np
import onnx_ir as ir
from onnx import numpy_helper
from onnx.parser import parse_model

from pipeline.parity.lost import exempt_hidden, nan_weights
from pipeline.parity.results import Case
from tests.pipeline.records.made import tensor

TEXT = (
    '<ir_version: 10, opset_import: ["" : 20]> g (float[n, 4] x) => (float[n, 4] y) {y = Add(x, w)}'
)


def graph(weight):
    made = parse_model(TEXT)
    made.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    return ir.from_proto(made)


def test_nan_weights_are_named_and_counted():
    assert "w (1 of 4 values)" in nan_weights(graph(np.array([1, np.nan, 2, 3], np.float32)))
    assert "w (1 of 4 values)" in nan_weights(graph(np.array([1, np.nan, 2, 3], np.float16)))


def test_infinity_and_numbers_are_left_alone():
    assert nan_weights(graph(np.array([1, -np.inf, 2, 3], np.float32))) == ""


def test_hidden_rows_bind_nothing_and_are_counted():
    case = Case("c", "masked-rows", {}, {}, hidden={"m": (1,)})
    inputs = [tensor("ids", "batch", "n"), tensor("m", "batch", "n")]
    outputs = [tensor("y", "batch", 3), tensor("cache", "heads", 3)]
    truth = {"y": np.ones((2, 3)), "cache": np.ones((2, 3))}
    made, counts = exempt_hidden(truth, case, inputs, outputs)
    assert counts == {"y": 3}
    assert np.isnan(made["y"][1]).all()
    assert (made["y"][0] == 1).all()
    assert (made["cache"] == 1).all()
    assert (truth["y"] == 1).all(), "the given arrays stay as they are"


def test_without_hidden_rows_everything_binds():
    truth = {"y": np.ones((2, 3))}
    case = Case("c", "plain", {}, {})
    entry = [tensor("mask", "batch", "n")]
    assert exempt_hidden(truth, case, entry, [tensor("y", "batch", 3)]) == (truth, {})
