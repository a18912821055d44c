"""Data files are read off a graph's bytes as the format writes them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.artifacts import open_folder
from pipeline.onnx_bytes import data_files, size_with_data, weight_types


def graph(path, location, count=3):
    """Write a graph whose weights lie in another file."""
    weights = [numpy_helper.from_array(np.full(9, n, np.float32), f"w{n}") for n in range(count)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [9])
    model = helper.make_model(helper.make_graph([], "location", [x], [x], weights))
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)
    return path


@pytest.mark.parametrize(
    "location",
    ["m.data", "weights-0123456789abcdef.data", "数.bin", "x" * 150 + ".data"],
    ids=["short", "ours", "chinese", "long"],
)
def test_what_onnx_writes_is_found(tmp_path, location):
    assert data_files(graph(tmp_path / "m.onnx", location)) == [location]


def test_a_graph_without_data_files_has_none(tmp_path):
    onnx.save(onnx.load(graph(tmp_path / "m.onnx", "m.data")), tmp_path / "inline.onnx")
    assert data_files(tmp_path / "inline.onnx") == []


@pytest.mark.parametrize(
    "data",
    [b"", b"\x0a\x08location\x12", b"\x0a\x08location\x12\xff\xff\xff\xff\xff", b"location"],
    ids=["empty", "cut", "endless", "word"],
)
def test_junk_is_no_reference(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data)
    assert data_files(tmp_path / "m.onnx") == []


@pytest.mark.parametrize("path", [b"/etc/passwd", b"../x"])
def test_paths_outside_are_not_followed(tmp_path, path):
    (tmp_path / "m.onnx").write_bytes(b"\x0a\x08location\x12" + bytes([len(path)]) + path)
    assert data_files(tmp_path / "m.onnx") == []


def test_other_files_are_not_searched(tmp_path):
    (tmp_path / "m.plan").write_bytes(b"\x0a\x08location\x12\x01x")
    assert data_files(tmp_path / "m.plan") == []


def test_a_graphs_digest_covers_its_weights(tmp_path):
    folder = open_folder(tmp_path / "out", create=True)
    file = graph(tmp_path / "m.onnx", "m.data")
    before = folder.digest_of(file)
    data = bytearray((tmp_path / "m.data").read_bytes())
    data[-1] ^= 1
    (tmp_path / "m.data").write_bytes(data)
    assert folder.digest_of(file) != before
    (tmp_path / "m.data").unlink()
    assert folder.digest_of(file) != before


def test_the_size_counts_a_graph_and_the_data_files_that_exist(tmp_path):
    file = graph(tmp_path / "m.onnx", "m.data")
    assert size_with_data(file) == file.stat().st_size + (tmp_path / "m.data").stat().st_size
    (tmp_path / "m.data").unlink()
    assert size_with_data(file) == file.stat().st_size
    assert size_with_data(tmp_path / "none.plan") == 0


KINDS = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16, TensorProto.INT64: int}


def weighted(path, kinds, **saving):
    """Write a graph with one weight of each type, and a node with a tensor that is none."""
    weights = [numpy_helper.from_array(np.ones(300, KINDS[k]), f"w{k}") for k in kinds]
    inner = numpy_helper.from_array(np.ones(2, np.float64))
    node = helper.make_node("Constant", [], ["y"], value=inner)
    y = helper.make_tensor_value_info("y", TensorProto.DOUBLE, [2])
    made = helper.make_model(helper.make_graph([node], "g", [], [y], weights))
    onnx.save(made, path, **saving)
    return path


@pytest.mark.parametrize("kinds", [(), (1,), (10,), (1, 7, 10)])
@pytest.mark.parametrize("data_file", [False, True])
def test_types_of_weights_are_those_onnx_reads(tmp_path, kinds, data_file):
    path = weighted(tmp_path / "m.onnx", kinds, save_as_external_data=data_file, size_threshold=0)
    model = onnx.load(path)
    assert weight_types(path) == {w.data_type for w in model.graph.initializer} == set(kinds)


@pytest.mark.parametrize("cut", [1, 5, 40, 700])
def test_a_file_that_is_cut_has_no_types(tmp_path, cut):
    path = weighted(tmp_path / "m.onnx", (1, 7, 10))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match="at byte"):
        weight_types(path)


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, b"\x0b", b"\x3a\x05\x2a"])
def test_junk_has_no_types(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ValueError, match=r"byte|empty"):
        weight_types(tmp_path / "m.onnx")
