"""The folder for onnxruntime-genai says what the graph says, or is refused in words."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import UsageError
from pipeline.ort.settings import SessionSettings
from pipeline.package import genai
from pipeline.package.subject import Subject, open_subject
from tests.pipeline.tasks.folders import SPECIAL, folder_for, language_model, write_folder


def test_the_configuration_names_what_the_graph_takes_and_gives(tmp_path, monkeypatch):
    folder = folder_for("generate", tmp_path)
    settings = SessionSettings(("SkipLayerNormFusion",), "flush")
    monkeypatch.setattr(Subject, "settings", lambda subject, part: settings)
    root = tmp_path / "package"
    root.mkdir()
    genai.write(open_subject(folder, "", None), root, 0)
    told = json.loads((root / "genai_config.json").read_text())
    model, decoder = told["model"], told["model"]["decoder"]
    assert (model["type"], model["bos_token_id"], model["eos_token_id"]) == ("decoder", 1, 2)
    assert decoder["filename"] == "model.onnx"
    assert decoder["num_hidden_layers"] == 1
    assert (decoder["num_key_value_heads"], decoder["head_size"]) == (1, 1)
    assert decoder["inputs"]["input_ids"] == "input_ids"
    assert decoder["inputs"]["past_value_names"] == "past_key_values.%d.value"
    assert decoder["outputs"]["present_key_names"] == "present.%d.key"
    assert decoder["session_options"] == {
        "provider_options": [],
        "optimization.disable_specified_optimizers": "SkipLayerNormFusion",
        "session.set_denormal_as_zero": "1",
    }
    assert told["search"]["past_present_share_buffer"] is False
    names = {path.name for path in root.iterdir()}
    assert {"model.onnx", "tokenizer.json", "check"} <= names
    assert "reading.json" not in names  # ours alone


@pytest.mark.parametrize(("name", "says"), [("embed", "no decoder"), ("translate", "no decoder")])
def test_what_is_no_decoder_of_text_is_refused(tmp_path, name, says):
    subject = open_subject(folder_for(name, tmp_path), "", None)
    with pytest.raises(UsageError, match=says):
        genai.write(subject, tmp_path / "package", 0)
    assert not (tmp_path / "package").exists()


def test_a_cache_written_in_place_is_refused(tmp_path, monkeypatch):
    folder = folder_for("generate", tmp_path)
    settings = SessionSettings(in_place={"present.0.key": "past_key_values.0.key"})
    monkeypatch.setattr(Subject, "settings", lambda subject, part: settings)
    with pytest.raises(UsageError, match="in place") as error:
        genai.write(open_subject(folder, "", None), tmp_path / "package", 0)
    assert "--kv-cache concat" in error.value.fix


def test_a_model_without_a_tokenizer_is_packaged_over_ids(tmp_path):
    folder = write_folder(tmp_path / "m", "text-generation", language_model(330), None, SPECIAL)
    root = tmp_path / "package"
    root.mkdir()
    genai.write(open_subject(folder, "", None), root, 0)
    assert sorted(path.name for path in root.iterdir())[:2] == ["check", "genai_config.json"]
    asked = json.loads((root / "check" / "check.json").read_text())
    assert "texts" not in asked
    assert len(asked["tokens"]) == 2
