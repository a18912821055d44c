from pathlib import Path

import pytest

from pipeline.stages.runners.labels import distinct_names


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/x.onnx", "a/y.onnx"], ["x.onnx", "y.onnx"]),
        (["a/x.onnx", "b/x.onnx"], ["a/x.onnx", "b/x.onnx"]),
        (["x.onnx", "b/x.onnx"], ["x.onnx", "b/x.onnx"]),
        (["a/x.onnx", "a/x.onnx", "a/x.onnx"], ["x.onnx", "x.onnx (2)", "x.onnx (3)"]),
        (["a/x.onnx", "b/x.onnx", "b/x.onnx"], ["a/x.onnx", "b/x.onnx", "b/x.onnx (2)"]),
        ([], []),
    ],
    ids=["names", "folders", "depths", "the same", "both", "none"],
)
def test_names_are_as_short_as_tells_them_apart(files, names):
    assert distinct_names([Path(file) for file in files]) == names
