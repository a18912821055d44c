"""Every kind of source becomes parts, and an artifact's facts lead back to its model."""

import dataclasses

import pytest
import torch

from pipeline.errors import (
    BadModelError,
    ChangedModelError,
    FolderError,
    UnconfirmedCodeError,
    UsageError,
)
from pipeline.records.export import ExportRecord
from pipeline.stages.export.load import load_parts, reload_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import resolve
from pipeline.stages.export.stage import export_model

NET = """
import torch
def make():
    torch.manual_seed(0)
    return torch.nn.Linear(8, 8), {"input": torch.ones(2, 3, 8)}
"""


def load(model, output, **options):
    return load_parts(
        resolve(str(model)), ExportOptions(model=str(model), output=output, **options)
    )


def test_a_preset_says_that_its_weights_are_random(tmp_path):
    loaded = load("transformer-tiny", tmp_path, seed=3)
    assert loaded.random_weights
    assert [part.name for part in loaded.parts] == ["encoder", "decoder"]
    assert loaded.task == "translation"
    assert loaded.generation.start == 1


def test_a_preset_in_half_precision_has_inputs_to_match(tmp_path):
    encoder, decoder = load("transformer-tiny", tmp_path, dtype="float16").parts
    assert next(encoder.module.parameters()).dtype == torch.float16
    assert decoder.inputs["cross.0.key"].dtype == torch.float16
    assert decoder.inputs["input_ids"].dtype == torch.int64


def test_no_cache_for_a_preset(tmp_path):
    decoder = load("transformer-tiny", tmp_path, kv_cache="none").parts[1]
    assert not any("past" in name for name in decoder.inputs)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "fill-mask"}, "is not for fill-mask"),
        ({"kv_cache": "static"}, "decoders that generate"),
    ],
)
def test_options_that_do_not_fit_a_preset(tmp_path, options, says):
    with pytest.raises(UsageError, match=says):
        load("transformer-tiny", tmp_path, **options)


def test_a_checkpoint_goes_with_a_preset_only(checkpoints, tmp_path):
    with pytest.raises(UsageError, match="goes with a preset"):
        load(checkpoints("bert"), tmp_path, checkpoint=tmp_path)
    with pytest.raises(BadModelError):
        load("transformer-tiny", tmp_path, checkpoint=tmp_path)


def test_a_function_keeps_its_types_unless_told(tmp_path):
    text = NET.replace("8)", "8).double()")
    (tmp_path / "net.py").write_text(text)
    (part,) = load(f"{tmp_path}/net.py:make", tmp_path).parts
    assert part.inputs["input"].dtype == torch.float64
    (half,) = load(f"{tmp_path}/net.py:make", tmp_path, dtype="bfloat16").parts
    assert half.inputs["input"].dtype == torch.bfloat16


def source_of(made):
    return ExportRecord.of(made).model


DRAWN = """
import os
import torch
def make():
    torch.manual_seed(int.from_bytes(os.urandom(4)))
    return torch.nn.Linear(64, 64), {"input": torch.rand(2, 3, 64)}
def grows():
    return torch.nn.Linear(64, 64, bias=bool(os.environ.get("BIAS"))), {"input": torch.ones(2, 64)}
"""


@pytest.fixture
def exported(tmp_path):
    """Return a function that exports one of DRAWN's functions into here/out."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "net.py").write_text(DRAWN)

    def export(name, **options):
        model = f"{here}/net.py:{name}"
        return export_model(
            ExportOptions(model=model, output=here / "out", exporter="torchscript", **options)
        )

    return export


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_facts_lead_back_to_the_model_that_was_exported(exported, tmp_path, monkeypatch, dtype):
    """Wherever both moved, and whatever the function draws by then; moved, it has to be named."""
    made = exported("make", dtype=dtype)
    loaded = [reload_parts(source_of(made), made.folder).parts[0] for _ in range(2)]
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    named = f"{tmp_path / 'there' / 'net.py'}:make"
    with pytest.raises(UnconfirmedCodeError):
        reload_parts(source_of(made), tmp_path / "there" / "out")
    loaded += reload_parts(source_of(made), tmp_path / "there" / "out", named).parts
    inputs = tuple(loaded[0].inputs.values())
    first, second, third = (part.module(*inputs)[0] for part in loaded)
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    assert all(torch.equal(part.inputs["input"], inputs[0]) for part in loaded)


def test_a_structure_that_hangs_on_the_surroundings_is_named(exported, monkeypatch):
    made = exported("grows")
    monkeypatch.setenv("BIAS", "1")
    with pytest.raises(ChangedModelError, match="state bias is new") as caught:
        reload_parts(source_of(made), made.folder)
    assert caught.value.where == "net.py:grows"


@pytest.mark.parametrize("file", ["state/model.safetensors", "onnx/weights-*.data"])
def test_a_state_that_was_tampered_with_is_refused(exported, file):
    made = exported("make")
    (path,) = made.folder.glob(file)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FolderError, match="has other bytes than export wrote"):
        reload_parts(source_of(made), made.folder)


def test_an_export_without_its_state_is_refused(exported):
    made = exported("make")
    model = dataclasses.replace(source_of(made), state=None)
    with pytest.raises(FolderError, match="holds no state") as caught:
        reload_parts(model, made.folder)
    assert "pipeline export net.py:make" in caught.value.fix
