"""Loading: whole checkpoints in the type asked for; unsafe, half and foreign ones refused."""

import json
import os
import pickle
import shutil

import pytest
import torch
import transformers

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.stages.export.checkpoint import read_checkpoint
from pipeline.stages.export.hf_load import load_checkpoint, widened
from pipeline.stages.export.options import ExportOptions


def load(folder, **options):
    told = ExportOptions(model=str(folder), output=folder / "out", **options)
    return load_checkpoint(read_checkpoint(folder), told)


@pytest.fixture
def copied(checkpoints, tmp_path):
    def copy(name):
        return shutil.copytree(checkpoints(name), tmp_path / name)

    return copy


def test_task_and_type(checkpoints):
    loaded = load(checkpoints("bert"), dtype="bfloat16")
    assert loaded.task == "text-classification"
    assert loaded.model.dtype == torch.bfloat16
    assert not loaded.model.training


def test_weights_are_mapped_from_the_file(checkpoints):
    """A copy in memory would double what a 7B model takes."""
    model = load(checkpoints("llama")).model
    start = min(p.data_ptr() for p in model.parameters())
    with open("/proc/self/maps") as maps:
        spans = [line.split() for line in maps if "model.safetensors" in line]
    ranges = [[int(x, 16) for x in span[0].split("-")] for span in spans]
    assert any(low <= start < high for low, high in ranges)


def test_a_head_the_checkpoint_lacks_is_not_invented(checkpoints):
    with pytest.raises(BadModelError, match=r"weights are missing .*: qa_outputs\.") as caught:
        load(checkpoints("bert"), task="question-answering")
    assert "question-answering" in caught.value.fix


def test_half_the_weights(copied):
    from safetensors.torch import load_file, save_file

    folder = copied("bert")
    kept = dict(list(load_file(folder / "model.safetensors").items())[:5])
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadModelError, match="weights are missing"):
        load(folder)


def test_a_configuration_of_other_sizes(copied):
    folder = copied("bert")
    config = json.loads((folder / "config.json").read_text()) | {"intermediate_size": 48}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModelError):
        load(folder)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_pickle_that_would_run_code_is_not_opened(copied, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = copied("bert")
    (folder / "model.safetensors").unlink()
    torch.save({"x": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(BadModelError, match="asks to run code") as caught:
        load(folder)
    assert "safetensors" in caught.value.fix
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadModelError):
        load(folder)
    assert not (tmp_path / "executed").exists()


def test_an_honest_pickle_loads(copied):
    folder = copied("bert")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert load(folder).task == "text-classification"


@pytest.mark.parametrize(
    ("edit", "error", "says"),
    [
        ({"model_type": "nonesuch"}, BadModelError, "not one that transformers"),
        (
            {"model_type": "nonesuch", "auto_map": {"AutoConfig": "code.Config"}},
            UsageError,
            r"runs Python of its own \(code\.Config\)",
        ),
        ({"num_attention_heads": "four"}, BadModelError, "not usable|cannot be loaded"),
    ],
    ids=["unknown type", "own code", "nonsense"],
)
def test_configurations_that_cannot_be_used(copied, edit, error, says):
    folder = copied("bert")
    config = json.loads((folder / "config.json").read_text()) | edit
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=says):
        load(folder)


def test_a_task_the_model_has_no_form_for(checkpoints):
    with pytest.raises(UsageError, match="no form for image-classification"):
        load(checkpoints("llama"), task="image-classification")


def test_a_guessed_task_is_not_blamed_on_the_user(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4, architectures=["ViTForConditionalGeneration"],
    )  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    told["architectures"] = ["ViTForConditionalGeneration"]
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(UsageError, match="no form here as a whole") as caught:
        load(tmp_path)
    assert "leave --task out" not in caught.value.fix
    with pytest.raises(UsageError, match="no form for text-generation") as caught:
        load(tmp_path, task="text-generation")
    assert "leave --task out" in caught.value.fix


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("Loading an AWQ model requires gptqmodel. Please install it with `pip install gptqmodel`",
         "gptqmodel"),
        ("Using 8-bit requires bitsandbytes: `pip install -U bitsandbytes>=0.46.1`",
         "bitsandbytes>=0.46.1"),
        ("install it with `pip install compressed-tensors>=0.15.0`.", "compressed-tensors>=0.15.0"),
        ("Loading a GPTQ quantized model requires optimum (`pip install optimum`)", "optimum"),
    ],
)  # fmt: skip
def test_a_package_that_packed_weights_need_is_named(copied, monkeypatch, said, named):
    """Whatever quantiser wrote them: nothing is wrong with the files."""
    folder = copied("llama")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "packed"}
    (folder / "config.json").write_text(json.dumps(config))

    def lacks(*args, **kwargs):
        raise ImportError(said)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", lacks)
    with pytest.raises(EnvironmentMissingError) as caught:
        load(folder)
    assert f"needs {named}, which" in caught.value.what
    assert "packed" in caught.value.what
    assert f"pip install '{named}'" in caught.value.fix
    assert caught.value.exit_code == 3


def test_weights_that_were_widened_are_told(copied):
    checkpoint = read_checkpoint(copied("llama"))
    model = load(checkpoint.folder).model
    assert widened(checkpoint, model) == ()
    checkpoint.config["quantization_config"] = {"quant_method": "fp8"}
    assert widened(checkpoint, model) == ("the weights, stored as fp8, are exported as float32",)
