import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import BadModelError, UsageError

pytest.importorskip("openvino", reason="the extra `openvino` is not installed")

TEXT = (
    '<ir_version: 10, opset_import: ["" : 20]> '
    "g (float[n, 3] x, float[3] w) => (float[n, 3] y) { y = Add(x, w) }"
)
FEEDS = {"x": np.ones((2, 3), np.float32), "w": np.arange(3, dtype=np.float32)}


@pytest.fixture
def runner(tmp_path):
    from pipeline.runners.openvino_runner import OpenvinoRunner

    onnx.save(parse_model(TEXT), tmp_path / "m.onnx")
    return OpenvinoRunner(tmp_path / "m.onnx", threads=1)


def test_runs(runner):
    np.testing.assert_array_equal(runner.run(FEEDS)["y"], [[1, 2, 3]] * 2)
    assert runner.describe()["threads"] == "1"
    runner.prepare(FEEDS)()


def test_missing_inputs_are_named(runner):
    with pytest.raises(UsageError, match="w"):
        runner.run({"x": FEEDS["x"]})


def test_junk_is_refused(tmp_path):
    from pipeline.runners.openvino_runner import OpenvinoRunner

    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(BadModelError, match="refuses"):
        OpenvinoRunner(tmp_path / "junk.onnx")
