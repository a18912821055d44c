"""The folder for Optimum: its configuration, and what it cannot hold."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import UsageError
from pipeline.package import optimum
from pipeline.package.subject import Subject, open_subject
from pipeline.stages.export.checkpoint import Checkpoint
from pipeline.stages.export.sentence_files import read_sentence_folder
from tests.pipeline.tasks.folders import folder_for

CONFIG = {
    "model_type": "bert", "auto_map": {"AutoModel": "their.code"}, "dtype": "float32",
    "rope_parameters": {"rope_theta": 5.0, "rope_type": "linear", "factor": 2.0},
}  # fmt: skip


def written(tmp_path, monkeypatch, name, checkpoint=None, **config):
    monkeypatch.setattr(Subject, "config", {**CONFIG, **config})
    monkeypatch.setattr(Subject, "checkpoint", checkpoint)
    root = tmp_path / "package"
    root.mkdir()
    optimum.write(open_subject(folder_for(name, tmp_path), "", None), root, 0)
    return root


def test_a_configuration_speaks_to_older_libraries_and_runs_nobody_s_code(tmp_path, monkeypatch):
    root = written(tmp_path, monkeypatch, "embed")
    told = json.loads((root / "config.json").read_text())
    assert "auto_map" not in told
    assert (told["rope_theta"], told["torch_dtype"]) == (5.0, "float32")
    assert told["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}
    asked = json.loads((root / "check" / "check.json").read_text())
    assert asked["class"] == "ORTModelForFeatureExtraction"
    assert not (root / "generation_config.json").exists()


def test_a_decoder_s_end_marks_travel(tmp_path, monkeypatch):
    root = written(tmp_path, monkeypatch, "generate")
    told = json.loads((root / "generation_config.json").read_text())
    assert (told["eos_token_id"], told["pad_token_id"]) == (2, 0)


def test_modules_and_preprocessors_travel(tmp_path, monkeypatch):
    home = tmp_path / "checkpoint"
    encoder = home / "0_Transformer"
    for folder, name, told in (
        (home, "modules.json", [
            {"idx": 0, "name": "0", "path": "0_Transformer",
             "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling",
             "type": "sentence_transformers.models.Pooling"},
        ]),
        (encoder, "config.json", CONFIG),
        (encoder, "sentence_bert_config.json", {"max_seq_length": 9}),
        (encoder, "preprocessor_config.json", {"size": 2}),
        (home / "1_Pooling", "config.json",
         {"word_embedding_dimension": 4, "pooling_mode_cls_token": True}),
    ):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(told))
    monkeypatch.setattr(optimum, "write_check", lambda *given, **told: None)
    sentence = read_sentence_folder(home)
    found = Checkpoint(encoder, CONFIG, (), None, True, sentence)
    monkeypatch.setattr(
        optimum, "_sentence_encoder", lambda subject: found.sentence and found.sentence.encoder
    )
    root = written(tmp_path, monkeypatch, "embed", found)
    modules = json.loads((root / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling"]
    assert json.loads((root / "1_Pooling" / "config.json").read_text())["pooling_mode_cls_token"]
    assert json.loads((root / "sentence_bert_config.json").read_text())["max_seq_length"] == 9
    assert (root / "preprocessor_config.json").exists()


@pytest.mark.parametrize(
    ("name", "says"), [("translate", "no class for translation"), ("zh-en", "no class")]
)
def test_what_optimum_has_no_class_for_is_refused(tmp_path, monkeypatch, name, says):
    with pytest.raises(UsageError, match=says):
        written(tmp_path, monkeypatch, name)


def test_a_preset_is_refused(tmp_path):
    subject = open_subject(folder_for("embed", tmp_path), "", None)
    with pytest.raises(UsageError, match=r"no config\.json"):
        optimum.write(subject, tmp_path, 0)
