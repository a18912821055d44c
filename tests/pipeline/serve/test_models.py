"""What is served is opened once, and refused before the server listens to anybody."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from pipeline.errors import FolderError, UsageError
from pipeline.serve.models import Models
from pipeline.serve.options import ServeOptions
from tests.pipeline.tasks.folders import SPECIAL, classifier, language_model, write_folder


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


@pytest.mark.parametrize("apart", [False, True])
def test_texts_that_change_each_other_s_angles_are_decoded_apart(tmp_path, apart):
    told = replace(SPECIAL, rows_share_angles=apart)
    parts = language_model(330)
    folder = write_folder(tmp_path / "m", "text-generation", parts, "byte_level", told)
    with Models(ServeOptions((folder,))) as models:
        generator = models.get("m").generator
        assert generator.rows == (1 if apart else 8)
        assert generator.prefixes.wanted is not apart


def test_the_vocabulary_is_the_size_of_the_scores(folders):
    with Models(ServeOptions((folders["generate"],))) as models:
        assert models.get("generate").vocabulary == 0  # the fake's is a name
