"""Loading maps weights, saving shares them; files appear whole or not at all."""

import os

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from pipeline.errors import FolderError
from pipeline.graph.files.model_file import load_model, opset_of, save_model
from tests.pipeline.text_graphs import model_of

X = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)


def big_model() -> ir.Model:
    """Return y = x W with W of 16 KiB in memory."""
    model = model_of("(float[B,64] x) => (float[B,64] y) { y = MatMul(x, x) }")
    weight = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    value = ir.Value(name="w", const_value=ir.tensor(weight, name="w"))
    value.dtype, value.shape = ir.DataType.FLOAT, ir.Shape([64, 64])
    model.graph.register_initializer(value)
    model.graph.node(0).replace_input_with(1, value)
    return model


def run(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_small_models_are_one_file(tmp_path):
    assert save_model(big_model(), tmp_path / "m.onnx") == [tmp_path / "m.onnx"]
    assert names(tmp_path) == ["m.onnx"]


def test_new_weights_go_beside_under_the_name_of_their_contents(tmp_path):
    model = big_model()
    data, graph = save_model(model, tmp_path / "m.onnx", inline_limit=0)
    assert data.name.startswith("weights-")
    assert data.suffix == ".data"
    assert graph.stat().st_size < 1000
    assert not isinstance(model.graph.initializers["w"].const_value, ir.ExternalTensor)
    again, _ = save_model(model, tmp_path / "n.onnx", inline_limit=0)
    assert again == data
    assert len(names(tmp_path)) == 3
    np.testing.assert_array_equal(run(tmp_path / "m.onnx"), run(tmp_path / "n.onnx"))


def test_weights_in_place_are_referred_to_and_stay_as_they_are(tmp_path):
    data, _ = save_model(big_model(), tmp_path / "m.onnx", inline_limit=0)
    before = data.stat()
    model = load_model(tmp_path / "m.onnx")
    assert isinstance(model.graph.initializers["w"].const_value, ir.ExternalTensor)
    assert save_model(model, tmp_path / "n.onnx", inline_limit=0) == [tmp_path / "n.onnx"]
    after = data.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    np.testing.assert_array_equal(run(tmp_path / "m.onnx"), run(tmp_path / "n.onnx"))


def test_weights_elsewhere_are_copied(tmp_path):
    data, _ = save_model(big_model(), tmp_path / "m.onnx", inline_limit=0)
    other = tmp_path / "other"
    other.mkdir()
    copied, _ = save_model(load_model(tmp_path / "m.onnx"), other / "m.onnx")
    assert copied == other / data.name
    assert not copied.is_symlink()
    assert copied.stat().st_nlink == 1
    data.unlink()
    assert run(other / "m.onnx").shape == (2, 64)


def test_only_the_part_of_a_foreign_file_that_is_used_is_copied(tmp_path):
    data, _ = save_model(big_model(), tmp_path / "m.onnx", inline_limit=0)
    with data.open("ab") as file:
        file.write(bytes(2**20))
    other = tmp_path / "other"
    other.mkdir()
    written, _ = save_model(load_model(tmp_path / "m.onnx"), other / "m.onnx")
    assert written.stat().st_size == 64 * 64 * 4
    np.testing.assert_array_equal(run(other / "m.onnx"), run(tmp_path / "m.onnx"))


def test_a_graph_written_aside_refers_to_its_home(tmp_path):
    home, aside = tmp_path / "home", tmp_path / "aside"
    home.mkdir()
    aside.mkdir()
    save_model(big_model(), home / "m.onnx", inline_limit=0)
    written = save_model(load_model(home / "m.onnx"), aside / "n.onnx", weights=home)
    assert written == [aside / "n.onnx"]
    os.replace(aside / "n.onnx", home / "n.onnx")
    np.testing.assert_array_equal(run(home / "m.onnx"), run(home / "n.onnx"))


def test_shared_weights_are_written_once(tmp_path):
    model = big_model()
    tensor = model.graph.initializers["w"].const_value
    twin = ir.Value(name="v", const_value=tensor)
    model.graph.register_initializer(twin)
    data, _ = save_model(model, tmp_path / "m.onnx", inline_limit=0)
    assert data.stat().st_size == 64 * 64 * 4


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FolderError, match="No space left"):
        save_model(big_model(), tmp_path / "m.onnx")
    assert names(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FolderError):
        save_model(big_model(), tmp_path / "none" / "m.onnx")


def test_opset(tmp_path):
    assert opset_of(model_of("(float[B] x) => (float[B] y) { y = Neg(x) }", 17)) == 17


def test_weights_larger_than_memory_cost_nothing(tmp_path):
    """A sparse 8 GB data file: loading and saving never read it."""
    model = big_model()
    data, _ = save_model(model, tmp_path / "m.onnx", inline_limit=0)
    loaded = load_model(tmp_path / "m.onnx")
    value = loaded.graph.initializers["w"]
    rows = 8 * 2**30 // (64 * 4)
    with data.open("r+b") as file:
        file.truncate(rows * 64 * 4)
    value.const_value = ir.ExternalTensor(
        data.name, 0, rows * 256, ir.DataType.FLOAT, shape=ir.Shape([rows, 64]), name="w",
        base_dir=tmp_path,
    )  # fmt: skip
    value.shape = ir.Shape([rows, 64])
    save_model(loaded, tmp_path / "n.onnx")
    again = load_model(tmp_path / "n.onnx")
    tensor = again.graph.initializers["w"].const_value
    assert tensor is not None
    assert tensor.nbytes == 8 * 2**30
