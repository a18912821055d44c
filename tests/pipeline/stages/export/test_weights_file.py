"""One data file, each tensor once, named by its contents, mapped back bit for bit."""

import numpy as np
import onnx_ir as ir
import pytest
import torch
from onnx_ir.tensor_adapters import TorchTensor

from pipeline.errors import FolderError
from pipeline.stages.export.weights_file import ALIGNMENT, write_weights

BIG = torch.arange(600, dtype=torch.float32).reshape(20, 30)


def a_model(**tensors: torch.Tensor) -> ir.Model:
    values = []
    for name, tensor in tensors.items():
        held = TorchTensor(tensor, name=name)
        value = ir.Value(name=name, const_value=held, type=ir.TensorType(held.dtype))
        value.shape = ir.Shape(tensor.shape)
        values.append(value)
    graph = ir.Graph([], [], nodes=[], initializers=values, opset_imports={"": 20}, name="g")
    return ir.Model(graph, ir_version=10)


def nothing(done: int, total: int) -> None:
    assert 0 <= done <= total


def test_two_parts_share_and_small_tensors_stay_inline(tmp_path):
    first = a_model(w=BIG, small=torch.ones(3))
    second = a_model(copy=BIG.clone(), other=BIG.t(), half=BIG.bfloat16())
    written = write_weights([first, second], tmp_path, nothing)
    assert (written.tensors, written.shared) == (3, 1)
    assert (tmp_path / written.name).stat().st_size == written.bytes
    assert [file.name for file in tmp_path.iterdir()] == [written.name]
    values = {**first.graph.initializers, **second.graph.initializers}
    for name, wanted in {"w": BIG, "copy": BIG, "other": BIG.t()}.items():
        held = values[name].const_value
        assert isinstance(held, ir.ExternalTensor)
        assert held.offset % ALIGNMENT == 0
        np.testing.assert_array_equal(held.numpy(), wanted.numpy())
    bits = values["half"].const_value.numpy().view(np.uint16)
    np.testing.assert_array_equal(bits, BIG.bfloat16().view(torch.uint16).numpy())
    assert values["small"].const_value.numpy().tolist() == [1, 1, 1]


def test_the_name_follows_the_contents(tmp_path):
    names = [
        write_weights([a_model(w=tensor)], tmp_path, nothing).name
        for tensor in (BIG, BIG.clone(), BIG + 1)
    ]
    assert names[0] == names[1] != names[2]


def test_nothing_is_left_when_a_tensor_cannot_be_written(tmp_path):
    class Broken(TorchTensor):
        def tobytes(self):
            raise OSError(28, "No space left on device")

    model = a_model(w=BIG)
    model.graph.initializers["w"].const_value = Broken(BIG, name="w")
    with pytest.raises(OSError, match="No space"):
        write_weights([model], tmp_path, nothing)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_seen_beforehand(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(FolderError, match=r"0\.0 GB are free"):
        write_weights([a_model(w=BIG)], tmp_path, nothing)


def test_a_model_without_big_tensors_needs_no_file(tmp_path):
    assert write_weights([a_model(small=torch.ones(3))], tmp_path, nothing).name == ""
    assert list(tmp_path.iterdir()) == []
