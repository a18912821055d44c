"""The one error of models/: a ValueError whose text has what, where and fix."""

from models.errors import ModelError


def test_parts_on_lines_of_their_own():
    error = ModelError("half a file", where="model.bin", fix="download it again")
    assert str(error) == "half a file\n  where: model.bin\n  fix:   download it again"
    assert isinstance(error, ValueError)


def test_empty_parts_are_left_out():
    assert str(ModelError("half a file")) == "half a file"
