"""What is read off an ONNX file: inputs, precision by vote, counts, files of weights."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.graph import external_files, precision_of, read_graph
from pipeline.builder.seen import Seen
from pipeline.builder.shapes import InputSpec
from pipeline.errors import BadModelError
from tests.pipeline.builder import small


def softmax(path):
    """Write an attention, a Softmax, a product in float16 and one in float32."""
    half = (T.FLOAT16, ("batch", 2, 8, 16))
    nodes = [
        h.make_node("Attention", ["q", "q", "q"], ["a"], name="/block/att"),
        h.make_node("Softmax", ["a"], ["p"], name="sm"),
        h.make_node("MatMul", ["p", "w"], ["m"], name="mm"),
        h.make_node("Cast", ["m"], ["c"], to=T.FLOAT),
        h.make_node("MatMul", ["c", "v"], ["y"], name="m32"),
    ]
    weights = [small.weight("w", (16, 16), "fp16"), small.weight("v", (16, 16))]
    return small.save(path, nodes, {"q": half}, {"y": T.FLOAT}, weights)


def test_a_file_is_read(tmp_path):
    found = read_graph(softmax(tmp_path / "m.onnx"))
    assert found.inputs == (InputSpec("q", "float16", ("batch", 2, 8, 16)),)
    assert (found.attention_count, found.softmax_count, found.precision) == (1, 1, "fp16")
    assert found.external == frozenset()
    assert found.paths.keys() == {"/block/att", "sm", "mm", "m32"}


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_the_precision_is_that_of_most_products(dtype, tmp_path):
    assert read_graph(small.matmul(tmp_path / "m.onnx", dtype)).precision == dtype


def test_products_of_integers_have_no_say(tmp_path):
    nodes = [
        h.make_node("MatMul", ["i", "i"], ["a"]),
        h.make_node("MatMul", ["a", "i"], ["b"]),
        h.make_node("MatMul", ["x", "x"], ["y"]),
    ]
    feeds = {"i": (T.INT32, (4, 4)), "x": (T.FLOAT16, (4, 4))}
    path = small.save(tmp_path / "m.onnx", nodes, feeds, {"b": T.INT32, "y": T.FLOAT16})
    assert precision_of(Seen(ir.load(path))) == "fp16"


def test_without_a_product_it_is_fp32(tmp_path):
    node = h.make_node("Relu", ["x"], ["y"])
    path = small.save(tmp_path / "m.onnx", [node], {"x": (T.FLOAT16, (4,))}, {"y": T.FLOAT16})
    assert precision_of(Seen(ir.load(path))) == "fp32"


def test_files_of_weights_are_named_once_with_those_of_inner_graphs(tmp_path):
    path = tmp_path / "m.onnx"
    model = onnx.load(small.matmul(path))
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert external_files(ir.load(path)) == {"m.data"}
    assert read_graph(path).external == {tmp_path / "m.data"}


def test_no_model_is_an_error(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(BadModelError):
        read_graph(tmp_path / "m.onnx")
