"""What is served is opened once, and refused before the server listens to anybody."""

from __future__ import annotations

import threading

import pytest

from pipeline.errors import FolderError, UsageError
from pipeline.serve.models import Models
from pipeline.serve.options import ServeOptions
from tests.pipeline.tasks.folders import classifier, language_model, write_folder


def test_a_folder_that_answers_nothing_ends_everything(folders, tmp_path):
    before = threading.active_count()
    mute = write_folder(tmp_path / "mute", "text-generation", language_model())
    odd = write_folder(tmp_path / "odd", "depth", classifier(), "wordpiece")
    for folder, error, says in (
        (tmp_path, FolderError, "no"),
        (mute, UsageError, "tokenizer"),
        (odd, UsageError, "cannot be served"),
    ):
        with pytest.raises(error, match=says):
            Models(ServeOptions((folders["generate"], folder)))
    assert threading.active_count() == before


def test_models_are_found_by_the_names_of_their_folders(folders):
    with Models(ServeOptions((folders["generate"], folders["embed"]))) as models:
        assert [model.name for model in models] == ["generate", "embed"]
        assert models.get("embed").answers == ("embed",)
        assert models.get("other") is None
        assert all(model.alive for model in models)
        assert [model.waiting + model.running for model in models] == [0, 0]


def test_the_vocabulary_is_the_size_of_the_scores(folders):
    with Models(ServeOptions((folders["generate"],))) as models:
        assert models.get("generate").vocabulary == 0  # the fake's is a name
