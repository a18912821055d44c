"""The stage end to end: files, facts, reuse, and nothing written when the model is at fault."""

import shutil
import subprocess
import sys

import onnxruntime as ort
import pytest
import torch

from pipeline.errors import BadModelError, ExportError, FolderError, PipelineError
from pipeline.stages.export import core
from pipeline.stages.export.load import LoadedParts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import digest_modules, export_model
from pipeline.stages.export.user_parts import user_part

NET = """
import torch
WIDTH = 32
def make():
    torch.manual_seed(0)
    return torch.nn.Linear(WIDTH, WIDTH), {"input": torch.ones(2, 3, WIDTH)}
def bakes():
    class Net(torch.nn.Module):
        def forward(self, x):
            return x * float(int(x.shape[1]))
    return Net(), {"x": torch.ones(2, 3, 4)}
class Held(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.register_buffer("held", torch.full((4,), value), persistent=False)
    def forward(self, x):
        return x + self.held
def holds():
    import os
    return Held(float(os.environ["HELD"])), {"x": torch.ones(2, 3, 4)}
def drops():
    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.dropout(x)
    return Net(), {"x": torch.ones(2, 3, 4)}
"""


def export(model, output, told=None, **options):
    made = ExportOptions(model=str(model), output=output, exporter="torchscript", **options)
    return export_model(made, told) if told else export_model(made)


def test_a_preset_from_start_to_reuse(tmp_path, told):
    artifact = export("transformer-tiny", tmp_path / "out", told)
    names = {record.path for record in artifact.files}
    assert {"onnx/encoder.exported.onnx", "onnx/decoder.exported.onnx"} < names
    assert artifact.facts["model"]["random_weights"] is True
    assert "random weights" in told.notes[0]
    assert "random weights" in artifact.log[0]
    assert artifact.facts["kv_cache"] == "concat"
    for part in artifact.facts["parts"].values():
        session = ort.InferenceSession(tmp_path / "out" / part["file"])
        assert [i.name for i in session.get_inputs()] == [i["name"] for i in part["inputs"]]
    assert export("transformer-tiny", tmp_path / "out").reused
    assert not export("transformer-tiny", tmp_path / "out", seed=1).reused


def test_a_checkpoint_is_known_by_its_contents_not_its_place(checkpoints, tmp_path):
    first = export(checkpoints("bert"), tmp_path / "out")
    moved = shutil.copytree(checkpoints("bert"), tmp_path / "elsewhere" / "bert")
    assert export(moved, tmp_path / "out").reused
    assert str(tmp_path) not in (tmp_path / "out/manifest/export.json").read_text()
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    changed = export(moved, tmp_path / "out")
    assert not changed.reused
    assert changed.digest != first.digest


def test_a_warm_rerun_loads_no_framework(checkpoints, tmp_path):
    export(checkpoints("bert"), tmp_path / "out")
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.stages.export.stage import export_model\n"
        "from pipeline.stages.export.options import ExportOptions as O\n"
        f"model, output = {str(checkpoints('bert'))!r}, Path({str(tmp_path)!r}) / 'out'\n"
        "a = export_model(O(model=model, output=output, exporter='torchscript'))\n"
        "print(a.reused, *({'torch', 'onnx', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["True"]


def test_a_function_is_known_by_sources_and_weights(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(NET)
    first = export(f"{file}:make", tmp_path / "out")
    assert first.facts["task"] == "custom"
    assert first.facts["parts"]["model"]["inputs"][0]["shape"] == ["batch", "length", 32]
    assert export(f"{file}:make", tmp_path / "out").reused
    file.write_text(NET + "\n# changed\n")
    assert not export(f"{file}:make", tmp_path / "out").reused


def test_a_function_that_draws_its_weights_follows_the_seed(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(NET.replace("torch.manual_seed(0)", "pass"))
    first = export(f"{file}:make", tmp_path / "out")
    assert "state/model.safetensors" in {record.path for record in first.files}
    assert export(f"{file}:make", tmp_path / "out").reused
    other = export(f"{file}:make", tmp_path / "out", seed=1)
    assert not other.reused
    assert other.key != first.key
    assert other.digest != first.digest


def test_a_buffer_outside_the_state_dict_counts(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    keys = []
    for held in ("1", "1", "2"):
        monkeypatch.setenv("HELD", held)
        keys.append(export(f"{tmp_path}/net.py:holds", tmp_path / "out").key)
    assert keys[0] == keys[1] != keys[2]


class Extra(torch.nn.Linear):
    def get_extra_state(self):
        return {"not": "a tensor"}


def test_objects_in_a_state_dict_are_left_aside(tmp_path):
    part = user_part((Extra(4, 4), {"input": torch.ones(2, 4)}), "here")
    assert digest_modules(LoadedParts((part,), "custom"))


def test_a_model_that_does_not_repeat_itself_is_told_so(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    with pytest.raises(BadModelError, match="does not repeat itself"):
        export(f"{tmp_path}/net.py:drops", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_baked_size_is_an_error_that_names_it(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    with pytest.raises(ExportError, match="baked in the size length"):
        export(f"{tmp_path}/net.py:bakes", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_at_fault_leaves_nothing(checkpoints, tmp_path):
    half = shutil.copytree(checkpoints("bert"), tmp_path / "half")
    data = (half / "model.safetensors").read_bytes()
    (half / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadModelError, match="header speaks of"):
        export(half, tmp_path / "out")
    (half / "model.safetensors").write_bytes(data)
    with pytest.raises(PipelineError, match="weights are missing"):
        export(half, tmp_path / "out", task="question-answering")
    assert not (tmp_path / "out").exists()


def test_a_failed_export_keeps_the_artifact_that_was_there(tmp_path, monkeypatch):
    first = export("transformer-tiny", tmp_path / "out")

    def fails(part, opset):
        raise RuntimeError("no")

    monkeypatch.setitem(core.EXPORTERS, "torchscript", fails)
    with pytest.raises(ExportError):
        export("transformer-tiny", tmp_path / "out", seed=5)
    monkeypatch.undo()
    again = export("transformer-tiny", tmp_path / "out")
    assert again.reused
    assert again.digest == first.digest


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FolderError, match="something else"):
        export("transformer-tiny", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
