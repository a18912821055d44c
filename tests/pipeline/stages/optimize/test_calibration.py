"""A text becomes the inputs of an exported model, or is refused in words."""

from __future__ import annotations

import pytest

from pipeline.artifacts import open_folder
from pipeline.errors import UsageError
from pipeline.stages.optimize.calibration import LENGTH, WINDOWS, calibration_of
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline.tasks.folders import folder_for, language_model, write_folder


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("Once upon a time there was a cat.\n" * 400)
    return path


def exported(folder):
    return open_folder(folder).stage("export")


def test_windows_of_the_text_fill_every_input(tmp_path, text):
    made = calibration_of(text, exported(folder_for("generate", tmp_path)))
    ids = made["input_ids"]
    assert ids.shape[1] == LENGTH
    assert 8 < len(ids) <= WINDOWS
    assert made["attention_mask"].shape == ids.shape
    assert made["attention_mask"].all()
    assert made["past_key_values.0.key"].shape == (len(ids), 1, 0, 1)
    assert len({row.tobytes() for row in ids}) > 1
    assert all(array.dtype.kind in "if" for array in made.values())


def test_what_a_text_cannot_give_is_refused(tmp_path, text):
    for folder, says in (
        (folder_for("translate", tmp_path), "several parts"),
        (write_folder(tmp_path / "mute", "text-generation", language_model(330)), "no tokenizer"),
    ):
        with pytest.raises(UsageError, match=says) as error:
            calibration_of(text, exported(folder))
        assert "--inputs" in error.value.fix
    text.write_text("too short")
    with pytest.raises(UsageError, match=r"a text of \d+ tokens"):
        calibration_of(text, exported(folder_for("generate", tmp_path)))
    text.write_bytes(b"\xff\xfe" * 2000)
    with pytest.raises(UsageError, match="cannot be read"):
        calibration_of(text, exported(tmp_path / "generate"))


def test_a_text_needs_a_folder_and_stands_alone(tmp_path, text):
    with pytest.raises(UsageError, match="this is a file"):
        optimize_model(
            OptimizeOptions(tmp_path / "m.onnx", tmp_path / "n.onnx", calibration_text=text)
        )
    with pytest.raises(UsageError, match="one of them"):
        OptimizeOptions("m", calibration_text=text, inputs=text)
    with pytest.raises(UsageError, match="cannot be read"):
        optimize_model(
            OptimizeOptions(folder_for("embed", tmp_path), calibration_text=tmp_path / "none")
        )


def test_the_text_is_part_of_the_recipe(tmp_path, text):
    folder = folder_for("generate", tmp_path)
    options = OptimizeOptions(folder, precision="int4", calibration_text=text, proof="none")
    assert [optimize_model(options).reused for _ in range(2)] == [False, True]
    text.write_text("Another text about other things.\n" * 400)
    assert not optimize_model(options).reused
