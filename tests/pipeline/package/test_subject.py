"""What is packaged: which graphs, which configuration."""

from __future__ import annotations

import json

import onnx
import pytest

from pipeline.errors import FolderError, UsageError
from pipeline.package.subject import open_subject
from tests.pipeline.tasks.folders import folder_for


def test_a_preset_has_no_configuration_of_transformers(tmp_path):
    subject = open_subject(folder_for("embed", tmp_path), "", None)
    assert (subject.checkpoint, subject.config) == (None, None)
    assert (subject.variant, subject.precision) == ("export", "fp32")


def test_a_variant_that_is_not_there_is_refused(tmp_path):
    folder = folder_for("embed", tmp_path)
    with pytest.raises(UsageError, match="no variant 'ort-cpu-int4'"):
        open_subject(folder, "ort-cpu-int4", None)
    with pytest.raises(FolderError):
        open_subject(tmp_path / "nothing", "", None)


def test_the_tokenizer_is_one_that_older_libraries_know(tmp_path):
    folder = folder_for("embed", tmp_path)
    settings = folder / "tokenizer" / "tokenizer_config.json"
    subject, root = open_subject(folder, "", None), tmp_path / "package"
    settings.write_text(json.dumps({"tokenizer_class": "TokenizersBackend", "x": 1}))
    root.mkdir()
    subject.place_tokenizer(root)
    told = json.loads((root / "tokenizer_config.json").read_text())
    assert told == {"tokenizer_class": "PreTrainedTokenizerFast", "x": 1}
    assert not (root / "reading.json").exists()


def test_a_graph_is_placed_with_its_weights(tmp_path):
    subject = open_subject(folder_for("embed", tmp_path), "", None)
    subject.place_graph("model", tmp_path / "package" / "onnx" / "model.onnx")
    onnx.checker.check_model(tmp_path / "package" / "onnx" / "model.onnx")
