"""What the preflight sees of values: declared first, inferred where nothing is declared."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from pipeline.builder.seen import (
    Finding,
    Seen,
    constant,
    declared_shape,
    dtype_word,
)
from pipeline.builder.shapes import InputSpec
from tests.pipeline.builder import small


@pytest.fixture
def seen(tmp_path):
    nodes = [
        h.make_node("MatMul", ["x", "w"], ["m"], name="model.layer.0/mm"),
        h.make_node("Transpose", ["m"], ["t"], perm=[1, 0]),
        h.make_node("Relu", ["t"], ["y"]),
    ]
    feeds = {"x": (T.FLOAT16, ("rows", 16)), "w": (T.FLOAT16, (16, 8))}
    weights = [small.weight("w", (16, 8), "fp16")]
    path = small.save(tmp_path / "m.onnx", nodes, feeds, {"y": T.FLOAT16}, weights)
    return Seen(ir.load(path))


def value(seen, name):
    return next(v for n in seen.nodes for v in (*n.inputs, *n.outputs) if v.name == name)


def test_what_the_file_does_not_say_is_inferred(seen):
    assert value(seen, "t").shape is None
    assert seen.shape(value(seen, "t")) == (8, "rows")
    assert seen.dtype(value(seen, "t")) == ir.DataType.FLOAT16
    assert seen.shape(None) is None
    assert seen.dtype(None) is None


def test_what_the_file_says_counts_even_against_inference(seen):
    declared = value(seen, "t")
    declared.shape, declared.dtype = ir.Shape((3, None)), ir.DataType.FLOAT
    assert seen.shape(declared) == (3, "t_1"), "a dim without a name is called after its place"
    assert seen.dtype(declared) == ir.DataType.FLOAT


def test_inputs_with_a_value_are_none(seen):
    assert seen.inputs() == (InputSpec("x", "float16", ("rows", 16)),)


def test_a_finding_names_its_node(seen):
    found = seen.finding("warning", seen.nodes[0], "what", "fix")
    assert found == Finding("warning", "what", "model.layer.0/mm", found.path, "fix")
    assert seen.finding("error", seen.nodes[1], "what").node == "Transpose", "for want of a name"


def test_words():
    assert [dtype_word(t) for t in (ir.DataType.FLOAT, ir.DataType.BFLOAT16, None)] == [
        "float32", "bfloat16", "?",
    ]  # fmt: skip
    assert declared_shape(ir.Value(name="x")) is None


def test_small_constants_are_read_wherever_they_lie(tmp_path):
    nodes = [
        h.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array([2.0]))),
        h.make_node("Constant", [], ["n"], value_float=3.0),
        h.make_node("Mul", ["c", "c"], ["m"]),
        h.make_node("Mul", ["m", "w"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.zeros(16), "w"),
        numpy_helper.from_array(np.ones(17), "b"),
    ]
    path = small.save(tmp_path / "m.onnx", nodes, {}, {"y": T.DOUBLE}, weights)
    model = ir.load(path)
    outputs = {v.name: v for n in model.graph for v in n.outputs}
    assert constant(outputs["c"]) == np.array([2.0])
    assert constant(model.graph.initializers["w"]).shape == (16,)
    assert constant(model.graph.initializers["b"]) is None, "too large to be a number"
    assert constant(outputs["m"]) is None
    assert constant(None) is None
