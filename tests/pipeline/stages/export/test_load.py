"""Every kind of source becomes parts, and an artifact's facts lead back to its model."""

import pytest
import torch

from pipeline.errors import BadModelError, UsageError
from pipeline.stages.export.load import load_parts, reload_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import resolve
from pipeline.stages.export.stage import source_of

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


def test_facts_lead_back_to_the_model_wherever_both_moved(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "net.py").write_text(NET)
    options = ExportOptions(model="net.py:make", output=here / "out")
    source = resolve(str(here / "net.py") + ":make")
    loaded = load_parts(source, options)
    model = source_of(options, source, loaded)
    assert model.path == "../net.py::make"
    monkeypatch.chdir(tmp_path)
    (part,) = reload_parts(model, here / "out").parts
    wanted = load(f"{here}/net.py:make", here).parts[0]
    inputs = tuple(part.inputs.values())
    assert torch.equal(part.module(*inputs)[0], wanted.module(*inputs)[0])
