"""A sentence encoder's folder is read whole, or refused with what it asks for."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import BadModelError, UsageError
from pipeline.stages.export.checkpoint import read_checkpoint
from pipeline.stages.export.sentence_files import read_sentence_folder
from tests.pipeline.stages.export.sentence_folders import (
    dense,
    modules,
    pooling,
    sentence_encoder,
    write,
)


def test_everything_it_says_is_read(tmp_path):
    folder = sentence_encoder(
        tmp_path / "encoder", "cls", "mean", steps=("Dense", "Dropout", "Normalize"),
        prompts={"query": "q: "}, default_prompt_name="query",
    )  # fmt: skip
    found = read_sentence_folder(folder)
    assert found.encoder == folder
    assert found.pooling == ("cls", "mean")
    assert [step.kind for step in found.steps] == ["dense", "normalize"]
    assert (found.max_length, found.lower_case) == (7, True)
    assert (found.prompts, found.default_prompt) == ({"query": "q: "}, "query")
    assert found.pools_prompt


def test_its_files_decide_the_export(tmp_path):
    checkpoint = read_checkpoint(sentence_encoder(tmp_path, "mean"))
    names = {path.relative_to(tmp_path).as_posix() for path in checkpoint.files}
    assert {"modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors"} < names


def test_the_transformer_may_lie_in_a_folder_of_its_own(tmp_path):
    inner = sentence_encoder(tmp_path / "0_Transformer", "mean", steps=())
    entries = json.loads((inner / "modules.json").read_text())
    entries[0]["path"], entries[1]["path"] = "0_Transformer", "0_Transformer/1_Pooling"
    write(tmp_path / "modules.json", entries)
    (inner / "modules.json").unlink()
    assert read_checkpoint(tmp_path).folder == inner


def test_any_other_folder_is_none(tmp_path):
    assert read_sentence_folder(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"type": 3}]', "[" * 100_000])
def test_a_damaged_index_is_refused(tmp_path, text):
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(BadModelError, match=r"modules\.json"):
        read_sentence_folder(tmp_path)


def test_no_path_leaves_the_folder(tmp_path):
    entries = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "../other"}]
    write(tmp_path / "modules.json", entries)
    with pytest.raises(BadModelError, match="points out of the folder"):
        read_sentence_folder(tmp_path)


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (("Transformer",), "begins with Transformer"),
        (("WordEmbeddings", "Pooling"), "begins with WordEmbeddings, Pooling"),
        (("Transformer", "Pooling", "CNN"), "names CNN"),
    ],
)
def test_what_has_no_form_is_refused_by_name(tmp_path, kinds, says):
    places = modules(tmp_path, *kinds)
    for place in places[1:]:
        pooling(place, "mean")
    with pytest.raises(UsageError, match=says):
        read_sentence_folder(tmp_path)


def test_pooling_in_either_spelling_or_refused(tmp_path):
    _, place = modules(tmp_path, "Transformer", "Pooling")
    for told, wanted in (({"pooling_mode": "mean"}, ("mean",)), ({"pooling_mode": "x"}, None)):
        write(place / "config.json", told)
        if wanted:
            assert read_sentence_folder(tmp_path).pooling == wanted
        else:
            with pytest.raises(UsageError, match="pools by x"):
                read_sentence_folder(tmp_path)
    pooling(place)
    with pytest.raises(UsageError, match="pools by nothing"):
        read_sentence_folder(tmp_path)


def test_a_step_without_weights_or_of_something_else_is_refused(tmp_path):
    _, pooled, place = modules(tmp_path, "Transformer", "Pooling", "Dense")
    pooling(pooled, "mean")
    dense(place)
    (place / "model.safetensors").unlink()
    with pytest.raises(BadModelError, match="has none of"):
        read_sentence_folder(tmp_path)
    write(place / "config.json", {"module_input_name": "token_embeddings"})
    with pytest.raises(UsageError, match="something else than the sentence's vector"):
        read_sentence_folder(tmp_path)


@pytest.mark.parametrize("longest", ["long", -1, 2.5])
def test_a_length_that_is_none_is_refused(tmp_path, longest):
    folder = sentence_encoder(tmp_path, "mean", longest=longest)
    with pytest.raises(BadModelError, match="max_seq_length"):
        read_sentence_folder(folder)
