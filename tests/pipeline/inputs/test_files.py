"""Inputs kept in files."""

import ml_dtypes
import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.inputs import load_inputs, save_inputs


def test_inputs_come_back_bit_for_bit(tmp_path):
    inputs = {
        "ids": np.arange(6).reshape(2, 3),
        "past.0::key": np.random.default_rng(0).normal(size=(2, 0, 3)).astype(np.float32),
        "half": np.array([1.5, -0.0], np.float16),
        "brain": np.array([1.5, 3e38], ml_dtypes.bfloat16),
        "flag": np.array(True),
    }
    path = tmp_path / "inputs.npz"
    save_inputs(path, inputs)
    loaded = load_inputs(path)
    assert loaded.keys() == inputs.keys()
    for name, array in inputs.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("content", [None, b"", b"junk", b"PK\x03\x04junk"])
def test_what_is_no_archive_is_explained(tmp_path, content):
    path = tmp_path / "inputs.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read") as caught:
        load_inputs(path)
    assert str(path) in caught.value.where


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "inputs.npz"
    np.savez(path, x=np.array([object()], dtype=object))
    with pytest.raises(UsageError, match="cannot be read"):
        load_inputs(path)
