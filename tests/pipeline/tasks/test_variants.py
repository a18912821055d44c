"""Which graphs answer: the ones asked for, else the ones that were optimized last."""

from __future__ import annotations

import dataclasses

import pytest

import pipeline
from pipeline.artifacts import Folder, open_folder
from pipeline.errors import FolderError, UsageError
from pipeline.records.export import ExportRecord
from pipeline.tasks.variants import Wanted, files_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with graphs of two precisions, and one for another target."""
    path = tmp_path_factory.mktemp("variants") / "out"
    pipeline.export_model(pipeline.ExportOptions("bert-tiny", path))
    for how in ({}, {"precision": "int8-weights"}, {"target": "onnx"}):
        pipeline.optimize_model(pipeline.OptimizeOptions(path, **how))
    return path


def stage_for(path, **wanted):
    folder = open_folder(path)
    exported = ExportRecord.of(folder.require("export", ""))
    name, files = files_of(folder, exported, Wanted(**{"runner": "ort", **wanted}))
    assert all(file.is_file() for file in files.values())
    return name


def test_unasked_what_was_optimized_last_answers(made, monkeypatch):
    folder = open_folder(made)
    for newest in ("optimize.ort-cpu-fp32", "optimize.ort-cpu-int8-weights"):

        def stage(name, newest=newest):
            found = Folder.stage(folder, name)
            date = "2030" if name == newest else "2020"
            return None if found is None else dataclasses.replace(found, made=date)

        monkeypatch.setattr(folder, "stage", stage)
        exported = ExportRecord.of(folder.require("export", ""))
        assert files_of(folder, exported, Wanted("ort"))[0] == newest


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"precision": "fp32"}, "optimize.ort-cpu-fp32"),
        ({"precision": "int8-weights"}, "optimize.ort-cpu-int8-weights"),
        ({"variant": "exported"}, "export"),
        ({"variant": "onnx-fp32"}, "optimize.onnx-fp32"),
        ({"variant": "onnx-fp32", "precision": "fp32"}, "optimize.onnx-fp32"),
    ],
)
def test_what_is_asked_for_answers(made, wanted, name):
    assert stage_for(made, **wanted) == name


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"precision": "int8"}, "no variant in int8"),
        ({"precision": "int4"}, "no variant in int4"),
        ({"variant": "ort-cpu-int4"}, "no variant 'ort-cpu-int4'"),
        ({"variant": "exported", "precision": "fp32"}, "no variant in fp32"),
        ({"runner": "tensorrt", "precision": "fp16"}, "tensorrt has no variant in fp16"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(made, wanted, says):
    with pytest.raises(UsageError, match=says) as caught:
        stage_for(made, **wanted)
    assert caught.value.fix.startswith("there are ")


def test_a_runner_with_nothing_to_run(made):
    with pytest.raises(FolderError, match="nothing here runs on tensorrt"):
        stage_for(made, runner="tensorrt")


def test_a_loaded_model_names_what_answers(made):
    with pipeline.load(made, precision="int8-weights") as model:
        assert model.variant == "optimize.ort-cpu-int8-weights"
    with pytest.raises(UsageError, match="torch runs the model itself, not 'int4'"):
        pipeline.load(made, runner="torch", precision="int4")
