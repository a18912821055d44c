import json

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.parser import parse_model

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.ort.settings import SessionSettings, settings_path
from pipeline.stages.runners import ort_runner
from pipeline.stages.runners.ort_runner import OrtOptions, OrtRunner

ADD = """<ir_version: 10, opset_import: ["" : 21]>
g (float[n, 3] x, float[3] w) => (float[n, 3] y, float[n, 3] z) {
  y = Add(x, w)
  z = Mul(y, y)
}"""


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "add.onnx"
    onnx.save(parse_model(ADD), path)
    return path


FEEDS = {"x": np.ones((2, 3), np.float32), "w": np.arange(3, dtype=np.float32)}


def test_runs_and_ignores_inputs_the_graph_lacks(graph):
    with OrtRunner(graph) as runner:
        got = runner.run({**FEEDS, "other": np.zeros(1)})
    assert list(got) == ["y", "z"] == list(runner.output_names)
    np.testing.assert_array_equal(got["z"], np.array([[1, 4, 9]] * 2, np.float32))


def test_a_missing_input_is_a_usage_error(graph):
    with pytest.raises(UsageError, match="w"):
        OrtRunner(graph).run({"x": FEEDS["x"]})


def test_a_wrong_shape_is_reported_in_one_line(graph):
    with pytest.raises(BadModelError, match="failed while running") as caught:
        OrtRunner(graph).run({"x": np.ones((2, 4), np.float32), "w": FEEDS["w"]})
    assert str(graph) in caught.value.where


def test_settings_beside_the_graph_are_applied_and_told(graph):
    settings_path(graph).write_text(json.dumps({"disabled_optimizers": ["SkipLayerNormFusion"]}))
    runner = OrtRunner(graph, OrtOptions(threads=1))
    assert runner.settings.disabled_optimizers == ("SkipLayerNormFusion",)
    assert runner.describe()["settings"] == "no SkipLayerNormFusion"
    assert runner.describe()["threads"] == "1"


def test_disabled_optimizers_reach_the_runtime(tmp_path):
    """Constant folding replaces the Add; told not to, the runtime keeps the node."""
    text = """<ir_version: 10, opset_import: ["" : 21]>
    g (float[3] x) => (float[3] y)
    <float[3] a = {1.0, 2.0, 3.0}, float[3] b = {1.0, 2.0, 3.0}> {
      s = Add(a, b)
      y = Mul(x, s)
    }"""
    path, kept = tmp_path / "fold.onnx", {}
    onnx.save(parse_model(text), path)
    for name, off in (("default", ()), ("off", ("ConstantFolding",))):
        out = tmp_path / f"{name}.out.onnx"
        OrtRunner(path, OrtOptions(settings=SessionSettings(off), save_optimized=out))
        kept[name] = [node.op_type for node in onnx.load(out).graph.node]
    assert kept["default"] == ["Mul"]
    assert kept["off"] == ["Add", "Mul"]


def test_a_provider_that_is_absent_is_an_error_not_a_fallback(graph):
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has the CUDA provider")
    with pytest.raises(EnvironmentMissingError, match="CUDAExecutionProvider"):
        OrtRunner(graph, OrtOptions(device="cuda"))


def test_junk_is_a_bad_model(tmp_path):
    path = tmp_path / "junk.onnx"
    path.write_bytes(b"junk" * 100)
    with pytest.raises(BadModelError, match="refuses"):
        OrtRunner(path)


def test_bfloat16_goes_in_and_out(tmp_path):
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    kind = TensorProto.BFLOAT16
    shape = ["n", 2]
    made = onnx.helper.make_graph([node], "g", [value("x", kind, shape)], [value("y", kind, shape)])
    opsets = [onnx.helper.make_opsetid("", 21)]
    path = tmp_path / "b.onnx"
    onnx.save(onnx.helper.make_model(made, opset_imports=opsets, ir_version=10), path)
    for rows in (0, 2):
        given = np.full((rows, 2), 2.5, ml_dtypes.bfloat16)
        got = OrtRunner(path).run({"x": given})["y"]
        assert got.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(got, given)


def test_prepared_calls_run_the_graph(graph):
    runner = OrtRunner(graph)
    call = runner.prepare(FEEDS)
    assert call() is None
    call()


def test_floats_take_the_graphs_type_and_integers_do_not(graph):
    wide = {name: array.astype(np.float64) for name, array in FEEDS.items()}
    assert OrtRunner(graph).run(wide)["y"].dtype == np.float32
    with pytest.raises(BadModelError):
        OrtRunner(graph).run({name: array.astype(np.int64) for name, array in FEEDS.items()})


def test_huge_pages_are_prepared_for_the_weights_and_change_nothing_else(tmp_path, monkeypatch):
    rows = np.arange(9_000_000, dtype=np.float32).reshape(3000, 3000) / 9e6
    model = parse_model(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (float[n, 3000] x) => (float[n, 3000] y) { y = MatMul(x, w) }"""
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(rows, "w"))
    path, sizes = tmp_path / "wide.onnx", []
    onnx.save(model, path, save_as_external_data=True, location="w.data")
    prepare = ort_runner.huge_pages
    monkeypatch.setattr(ort_runner, "huge_pages", lambda n: sizes.append(n) or prepare(n))
    feeds = {"x": np.ones((2, 3000), np.float32)}
    got = []
    for asked in (False, True):
        with OrtRunner(path, OrtOptions(huge_pages=asked)) as runner:
            got.append(runner.run(feeds)["y"])
    np.testing.assert_array_equal(*got)
    assert sizes == [path.stat().st_size + (tmp_path / "w.data").stat().st_size]
    assert sizes[0] > rows.nbytes


def test_closing_gives_the_heap_back_that_was_grown_for_it(graph, monkeypatch):
    given = []
    monkeypatch.setattr(ort_runner, "give_back", lambda: given.append(1))
    OrtRunner(graph).close()
    assert given == []
    OrtRunner(graph, OrtOptions(huge_pages=True)).close()
    assert given == [1]
