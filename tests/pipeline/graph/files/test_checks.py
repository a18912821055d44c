"""Hostile and damaged files: each is refused with what, where and a fix, and no traceback."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import BadModelError
from pipeline.graph.files.checks import MAX_DEPTH
from pipeline.graph.files.model_file import load_model

FLOAT = TensorProto.FLOAT


def sound() -> onnx.ModelProto:
    """Return a small model that loads."""
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["B", 4])],
        [helper.make_tensor_value_info("y", FLOAT, ["B", 4])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def refused(path: Path) -> BadModelError:
    """Return the error loading raises, after checking that it has its three parts."""
    start = time.process_time()  # a busy machine is not a slow check
    with pytest.raises(BadModelError) as caught:
        load_model(path)
    assert time.process_time() - start < 5
    error = caught.value
    assert error.what
    assert str(path) in error.where or "graph" in error.where
    assert error.fix
    return error


def external(model: onnx.ModelProto, location: str, **entries: int) -> None:
    """Make the model's weight external."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))


def test_a_sound_model_loads(tmp_path):
    onnx.save(sound(), tmp_path / "m.onnx")
    assert load_model(tmp_path / "m.onnx").graph.num_nodes() == 2


@pytest.mark.parametrize(
    ("data", "word"),
    [(b"", "empty"), (b"not a model at all", "not an ONNX"), (b"\x08\x07", "no ONNX graph")],
    ids=["empty", "junk", "no graph"],
)
def test_not_a_model(tmp_path, data, word):
    (tmp_path / "m.onnx").write_bytes(data)
    assert word in refused(tmp_path / "m.onnx").what


def test_every_cut_of_a_file_is_refused(tmp_path):
    data = sound().SerializeToString()
    for length in range(1, len(data), 7):
        (tmp_path / "m.onnx").write_bytes(data[:length])
        refused(tmp_path / "m.onnx")


def test_random_damage_never_escapes_as_another_error(tmp_path):
    data, random = sound().SerializeToString(), np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 3):
            broken[place] = random.integers(0, 256)
        (tmp_path / "m.onnx").write_bytes(bytes(broken))
        with suppress(BadModelError):
            load_model(tmp_path / "m.onnx")


def test_missing_and_folder(tmp_path):
    refused(tmp_path / "none.onnx")
    refused(tmp_path)


def _cycle(m: onnx.ModelProto) -> None:
    m.graph.node[0].input[0] = "y"


def _undefined(m: onnx.ModelProto) -> None:
    m.graph.node[0].input[0] = "nowhere"


def _twice(m: onnx.ModelProto) -> None:
    m.graph.node[1].output[0] = "h"


def _no_such_output(m: onnx.ModelProto) -> None:
    m.graph.output[0].name = "nowhere"


def _same_input(m: onnx.ModelProto) -> None:
    m.graph.input.append(m.graph.input[0])


def _same_weight(m: onnx.ModelProto) -> None:
    m.graph.initializer.append(m.graph.initializer[0])


def _computed_weight(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].name = "h"
    m.graph.node[0].input[1] = "x"


def _short_tensor(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].raw_data = b"1234"


def _absurd_tensor(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].dims[0] = 2**50


def _huge_tensor(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].dims[:] = [2**20, 2**20]


def _negative_tensor(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].dims[0] = -4


def _no_type(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].data_type = 77


def _no_input_type(m: onnx.ModelProto) -> None:
    m.graph.input[0].type.tensor_type.elem_type = 99


def _huge_dim(m: onnx.ModelProto) -> None:
    m.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**60


def _no_opset(m: onnx.ModelProto) -> None:
    del m.opset_import[:]


def _wrong_attribute(m: onnx.ModelProto) -> None:
    m.graph.node[1].op_type = "Softmax"
    m.graph.node[1].attribute.append(helper.make_attribute("axis", "last"))


def _two_attributes(m: onnx.ModelProto) -> None:
    m.graph.node[1].op_type = "Softmax"
    m.graph.node[1].attribute.extend([helper.make_attribute("axis", 1)] * 2)


def _too_few_inputs(m: onnx.ModelProto) -> None:
    del m.graph.node[0].input[1]


def _constant_bomb(m: onnx.ModelProto) -> None:
    tensor = TensorProto(name="c", data_type=FLOAT, dims=[2**40])
    m.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


DAMAGES: list[Callable[[onnx.ModelProto], None]] = [
    _cycle, _undefined, _twice, _no_such_output, _same_input, _same_weight, _computed_weight,
    _short_tensor, _absurd_tensor, _huge_tensor, _negative_tensor, _no_type, _no_input_type,
    _huge_dim, _no_opset, _wrong_attribute, _two_attributes, _too_few_inputs, _constant_bomb,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__.strip("_"))
def test_damage(tmp_path, damage):
    model = sound()
    damage(model)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    refused(tmp_path / "m.onnx")


@pytest.mark.parametrize("field", ["name", "output", "label"])
def test_text_that_is_not_utf8(tmp_path, field):
    model = sound()
    node = model.graph.node[0]
    if field == "label":
        node.metadata_props.add(key="namespace", value="mark")
    else:
        node.name, node.output[0], model.graph.node[1].input[0] = "mark", "mark", "mark"
        if field == "name":
            node.output[0] = model.graph.node[1].input[0] = "h"
    data = model.SerializeToString().replace(b"mark", b"ma\xffk")
    (tmp_path / "m.onnx").write_bytes(data)
    refused(tmp_path / "m.onnx")


def test_deep_nesting(tmp_path):
    value = helper.make_tensor_value_info("y", FLOAT, None)
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["y0"])], "b", [], [value])
    body.output[0].name = "y0"
    for depth in range(1, MAX_DEPTH + 3):
        name = f"y{depth}"
        node = helper.make_node("If", ["c"], [name], then_branch=body, else_branch=body)
        out = helper.make_tensor_value_info(name, FLOAT, None)
        body = helper.make_graph([node], "b", [], [out])
        if depth > 4:  # the else branches would double the file each time
            node.attribute.pop()
    model = sound()
    model.graph.node.extend(body.node)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    refused(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "location", ["../w.data", "/etc/passwd", "a/../../w.data", "", "..\\w.data", "C:\\w.data"]
)
def test_data_outside_the_folder(tmp_path, location):
    (tmp_path / "w.data").write_bytes(bytes(64))
    inner = tmp_path / "inner"
    inner.mkdir()
    model = sound()
    external(model, location)
    (inner / "m.onnx").write_bytes(model.SerializeToString())
    assert "outside" in refused(inner / "m.onnx").what


def test_data_through_a_link(tmp_path):
    (tmp_path / "secret.data").write_bytes(bytes(64))
    inner = tmp_path / "inner"
    inner.mkdir()
    os.symlink(tmp_path / "secret.data", inner / "w.data")
    model = sound()
    external(model, "w.data")
    (inner / "m.onnx").write_bytes(model.SerializeToString())
    assert "link" in refused(inner / "m.onnx").what


@pytest.mark.parametrize(
    ("size", "entries", "word"),
    [
        (0, {}, "needs bytes"),
        (63, {}, "needs bytes"),
        (64, {"offset": 4}, "needs bytes"),
        (64, {"offset": -4}, "needs bytes"),
        (128, {"length": 128}, "its dims and type need"),
        (None, {}, "missing"),
    ],
    ids=["empty", "short", "offset", "negative", "oversized", "missing"],
)
def test_data_file_that_does_not_fit(tmp_path, size, entries, word):
    if size is not None:
        (tmp_path / "w.data").write_bytes(bytes(size))
    model = sound()
    external(model, "w.data", **entries)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert word in refused(tmp_path / "m.onnx").what


def test_a_negative_size_is_an_open_one(tmp_path):
    model = sound()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    shape = load_model(tmp_path / "m.onnx").graph.inputs[0].shape
    assert shape is not None
    assert not isinstance(shape[0], int)


def test_unsorted_nodes_are_put_in_order(tmp_path):
    model = sound()
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    kinds = [n.op_type for n in load_model(tmp_path / "m.onnx").graph]
    assert kinds == ["MatMul", "Relu"]


def test_data_with_several_names(tmp_path):
    (tmp_path / "other.data").write_bytes(bytes(64))
    os.link(tmp_path / "other.data", tmp_path / "w.data")
    model = sound()
    external(model, "w.data")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert "hard links" in refused(tmp_path / "m.onnx").what
    assert "cp w.data" in refused(tmp_path / "m.onnx").fix
