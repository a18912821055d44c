"""The state that was exported comes back, whatever the function gives now; what cannot is named."""

import dataclasses

import pytest
import torch
from safetensors import safe_open
from torch import nn

from pipeline.errors import ChangedModelError
from pipeline.stages.export import state as subject
from pipeline.stages.export.state import restore_state, save_state
from pipeline.stages.export.user_parts import user_part
from pipeline.stages.export.weights_file import Placed

IDS = torch.arange(14).reshape(2, 7)


class Net(nn.Module):
    """Tied weights, buffers in and out of the state_dict, an expanded one, an unused layer."""

    def __init__(self, dtype=torch.float32, factor=1.0):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight
        self.unused = nn.Linear(8, 3)
        self.factor = factor
        self.register_buffer("scale", torch.randn(8), persistent=False)
        self.register_buffer("wide", torch.randn(1, 1).expand(5, 8))
        self.register_buffer("count", torch.tensor(3))
        self.to(dtype)
        self.register_buffer("angles", torch.randn(8, dtype=torch.complex64))

    def forward(self, ids):
        return self.head(self.table(ids) * self.scale + self.wide[0]) * self.factor


def part_of(module, inputs=None):
    return user_part((module, inputs or {"ids": IDS}), "net.py:make")


def kept(tmp_path, module, placed=()):
    """Return the part and the file its state lies in."""
    part, file = part_of(module), tmp_path / "model.safetensors"
    save_state(part, placed, file)
    return part, file


def restored(file, module, data=None):
    return restore_state(part_of(module), file, data, "net.py:make")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_weights_become_those_that_were_exported(tmp_path, dtype):
    part, file = kept(tmp_path, Net(dtype))
    again = restored(file, Net(dtype))
    (wanted,), (got,) = part.module(IDS), again.module(IDS)
    assert torch.equal(got, wanted)
    state, now = (dict(p.module.model.named_buffers()) for p in (part, again))
    assert all(torch.equal(now[name], state[name]) for name in state)
    assert again.module.model.head.weight is again.module.model.table.weight
    assert again.module.model.table.weight.dtype == dtype


def test_the_example_inputs_come_back_too(tmp_path):
    _, file = kept(tmp_path, Net())
    other = restore_state(part_of(Net(), {"ids": IDS[:, :3] + 1}), file, None, "net.py:make")
    assert torch.equal(other.inputs["ids"], IDS)


def test_tied_weights_are_stored_once_and_equal_states_are_equal_files(tmp_path):
    module = Net()
    _, file = kept(tmp_path, module)
    first = file.read_bytes()
    with safe_open(file, "pt") as stored:
        assert "state.table.weight" in stored.keys()  # noqa: SIM118  # no mapping
        assert "state.head.weight" not in stored.keys()  # noqa: SIM118
    kept(tmp_path, module)
    assert file.read_bytes() == first


def test_what_lies_in_the_data_file_is_not_stored_again(tmp_path):
    module = nn.Sequential(nn.Linear(7, 5, bias=False), nn.Conv1d(2, 4, 3))
    dense, kernel = module[0].weight.detach(), module[1].weight.detach()
    turned, order = dense.t(), kernel.permute(2, 0, 1)
    data = tmp_path / "weights.data"
    data.write_bytes(bytes(64) + turned.contiguous().numpy().tobytes()
                     + order.contiguous().numpy().tobytes())  # fmt: skip
    placed = [Placed(turned, 64), Placed(order, 64 + turned.numel() * 4)]
    inputs = {"input": torch.ones(2, 2, 7)}
    part, file = part_of(module, inputs), tmp_path / "model.safetensors"
    save_state(part, placed, file)
    with safe_open(file, "pt") as stored:
        assert {name for name in stored.keys() if name.startswith("state")} == {"state.1.bias"}  # noqa: SIM118
    other = nn.Sequential(nn.Linear(7, 5, bias=False), nn.Conv1d(2, 4, 3))
    restore_state(part_of(other, inputs), file, data, "here")
    assert torch.equal(other[0].weight, dense)
    assert torch.equal(other[1].weight, kernel)
    other[0].weight.data.zero_()
    assert data.read_bytes()[64:68] == turned.contiguous().numpy().tobytes()[:4]


def test_right_values_are_not_written_again(tmp_path, monkeypatch):
    _, file = kept(tmp_path, Net())
    module = restored(file, Net()).module.model
    versions = {name: tensor._version for name, tensor in module.named_parameters()}
    restored(file, module)
    assert {name: tensor._version for name, tensor in module.named_parameters()} == versions


def test_a_model_without_state(tmp_path):
    file = tmp_path / "empty.safetensors"
    part = part_of(nn.Softmax(-1), {"input": torch.ones(2, 3, 4)})
    save_state(part, (), file)
    assert restore_state(part, file, None, "here").inputs["input"].shape == (2, 3, 4)


def test_weights_made_in_inference_mode(tmp_path):
    _, file = kept(tmp_path, Net())
    with torch.inference_mode():
        module = Net()
    assert restored(file, module)


def wider():
    module = Net()
    module.unused = nn.Linear(8, 4)
    return module


def longer():
    module = Net()
    module.extra = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    return module


def shorter():
    module = Net()
    del module.unused
    return module


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (wider, r"state unused.weight is float32\[4, 8\], it was float32\[3, 8\]"),
        (longer, "state extra.0.weight is new, extra.0.bias is new, .* and 1 more"),
        (shorter, "state unused.weight is missing, unused.bias is missing"),
        (lambda: Net(torch.float64), r"state table.weight is float64\[20, 8\], it was float32"),
        (lambda: Net(factor=1.01), "with the same state and inputs, output is off by 0.01"),
    ],
    ids=["shape", "new", "missing", "type", "outside the state"],
)
def test_another_model_is_named(tmp_path, module, says):
    _, file = kept(tmp_path, Net())
    with pytest.raises(ChangedModelError, match=says) as caught:
        restored(file, module())
    assert caught.value.where == "net.py:make"
    assert "export" in caught.value.fix


class Two(Net):
    def forward(self, ids):
        return super().forward(ids), ids


class Longer(Net):
    def forward(self, ids):
        return super().forward(torch.cat([ids, ids], -1))


@pytest.mark.parametrize(
    ("cls", "says"),
    [(Two, "output output is missing"), (Longer, r"output is float32\[2, 14, 20\], it was")],
)
def test_other_outputs_are_named(tmp_path, cls, says):
    _, file = kept(tmp_path, Net())
    with pytest.raises(ChangedModelError, match=says):
        restored(file, cls())


def test_other_example_inputs_are_named(tmp_path):
    _, file = kept(tmp_path, Net())
    part = dataclasses.replace(part_of(Net()), inputs={"ids": IDS.int()})
    with pytest.raises(ChangedModelError, match=r"example input ids is int32\[any, any\]"):
        restore_state(part, file, None, "here")


def test_a_sample_of_large_outputs_is_spread_evenly():
    sample = subject._sample(torch.arange(10 * subject.SAMPLE))
    assert len(sample) == subject.SAMPLE
    assert sample[-1] == 10 * (subject.SAMPLE - 1)


def test_the_file_can_be_read_by_whoever_may_read_the_folder(tmp_path):
    _, file = kept(tmp_path, Net())
    plain = tmp_path / "plain"
    plain.touch()
    assert file.stat().st_mode == plain.stat().st_mode
