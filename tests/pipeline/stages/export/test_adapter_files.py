"""An adapter's folder is read, or refused with what it asks for."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import BadModelError, UsageError
from pipeline.stages.export.adapter_files import base_of, read_adapter
from pipeline.stages.export.checkpoint import read_checkpoint
from tests.pipeline.stages.export.adapters import adapter, base


def test_what_scales_it_is_read(tmp_path):
    folder = adapter(
        tmp_path, alpha_pattern={"q_proj": 4}, use_rslora=True, fan_in_fan_out=True,
        base_model_name_or_path="somebody/model",
    )  # fmt: skip
    found = read_adapter(folder)
    assert (found.alpha, found.alphas) == (6.0, {"q_proj": 4.0})
    assert (found.root_of_rank, found.transposed, found.base) == (True, True, "somebody/model")
    assert {file.name for file in found.files} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"peft_type": "IA3"}, "kind IA3"),
        ({"use_dora": True}, "use_dora"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
    ],
)
def test_another_kind_is_refused_by_name(tmp_path, config, says):
    with pytest.raises(UsageError, match=says):
        read_adapter(adapter(tmp_path, **config))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"peft_type": "LORA", "lora_alpha": "x"}', "[" * 100_000]
)
def test_a_damaged_configuration_is_refused(tmp_path, text):
    adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(BadModelError, match=r"adapter_config\.json"):
        read_adapter(tmp_path)


def test_an_adapter_without_weights_is_refused(tmp_path):
    (adapter(tmp_path) / "adapter_model.safetensors").unlink()
    with pytest.raises(BadModelError, match="beside it"):
        read_adapter(tmp_path)


def test_a_folder_with_an_adapter_alone_stands_for_the_model_it_names(tmp_path):
    base(tmp_path / "base")
    named = adapter(tmp_path / "one", base_model_name_or_path=str(tmp_path / "base"))
    assert read_checkpoint(named).folder == tmp_path / "base"
    beside = adapter(tmp_path / "two", base_model_name_or_path="../base")
    assert base_of(read_adapter(beside)) == beside / "../base"
    lost = adapter(tmp_path / "three", base_model_name_or_path="somebody/model")
    with pytest.raises(UsageError, match="an adapter for somebody/model, and no model") as caught:
        read_checkpoint(lost)
    assert f"--adapter {lost}" in caught.value.fix


def test_adapters_count_among_the_files_and_a_folder_without_one_is_refused(tmp_path):
    base(tmp_path / "base")
    given = adapter(tmp_path / "adapter")
    found = read_checkpoint(tmp_path / "base", given)
    assert [one.folder for one in found.adapters] == [given]
    assert given / "adapter_model.safetensors" in found.files
    with pytest.raises(BadModelError, match=r"no adapter_config\.json"):
        read_checkpoint(tmp_path / "base", tmp_path)


def test_the_tokenizer_beside_an_adapter_is_its_own(tmp_path):
    base(tmp_path / "base")
    named = adapter(tmp_path / "one", base_model_name_or_path="../base")
    assert read_checkpoint(named).texts == tmp_path / "one" / "../base"
    (named / "tokenizer.json").write_text(json.dumps({}))
    assert read_checkpoint(named).texts == named
