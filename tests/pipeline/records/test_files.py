"""Files of an artifact, as data."""

import pytest

from pipeline.records.files import FileRecord
from pipeline.records.record import as_json, read

FILE = FileRecord("onnx/a.onnx", "ab", 5, shared=False)


def test_a_file_survives_its_json_form():
    told = {"path": "onnx/a.onnx", "sha256": "ab", "bytes": 5, "shared": False}
    assert as_json(FILE) == told
    assert read(FileRecord, told) == FILE


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "/etc/passwd"), ("path", "../x"), ("bytes", "5"), ("bytes", 5.5), ("shared", 0)],
    ids=repr,
)
def test_nothing_is_taken_for_what_it_is_not(key, value):
    with pytest.raises(ValueError, match=key):
        read(FileRecord, {**as_json(FILE), key: value})
