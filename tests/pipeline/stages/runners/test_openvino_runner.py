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
    from pipeline.stages.runners.openvino_runner import OpenvinoRunner

    onnx.save(parse_model(TEXT), tmp_path / "m.onnx")
    return OpenvinoRunner(tmp_path / "m.onnx", threads=1)


def test_runs(runner):
    np.testing.assert_array_equal(runner.run(FEEDS)["y"], [[1, 2, 3]] * 2)
    assert runner.describe()["threads"] == "1"
    runner.prepare(FEEDS)()


def test_prepared_calls_take_turns_each_on_its_own_inputs(runner, monkeypatch):
    import openvino

    made = []
    create = openvino.CompiledModel.create_infer_request

    def noted(model):
        made.append(create(model))
        return made[-1]

    monkeypatch.setattr(openvino.CompiledModel, "create_infer_request", noted)
    calls = [runner.prepare({**FEEDS, "x": np.full((n, 3), n, np.float32)}) for n in (1, 4)]
    for _ in range(2):
        for call in calls:
            call()
    found = [request.get_output_tensor().data.tolist() for request in made]
    assert found == [[[1, 2, 3]], [[4, 5, 6]] * 4]


def test_missing_inputs_are_named(runner):
    with pytest.raises(UsageError, match="w"):
        runner.run({"x": FEEDS["x"]})


def test_junk_is_refused(tmp_path):
    from pipeline.stages.runners.openvino_runner import OpenvinoRunner

    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(BadModelError, match="refuses"):
        OpenvinoRunner(tmp_path / "junk.onnx")
