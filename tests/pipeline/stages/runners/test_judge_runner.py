import numpy as np
import onnx
from onnx.parser import parse_model

from pipeline.stages.runners.judge_runner import JudgeRunner

HALF = (
    '<ir_version: 10, opset_import: ["" : 20]> '
    "g (float16[n] x) => (float16[n] y) { s = Mul(x, x) y = Sqrt(s) }"
)


def test_a_typed_graph_rounds_as_it_declares_and_means_what_it_means(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(parse_model(HALF), path)
    feeds = {"x": np.array([3.0, 300.0], np.float16), "unused": np.ones(1)}
    with JudgeRunner(path) as runner:
        assert (runner.input_names, runner.output_names) == (("x",), ("y",))
        got = runner.run(feeds)["y"]
        assert runner.describe()["runtime"] == "judge"
    assert got.dtype == np.float16
    assert np.isinf(got[1]), "300 * 300 leaves float16"
    exact = JudgeRunner(path, "float64").run(feeds)["y"]
    np.testing.assert_array_equal(exact, [3.0, 300.0])
