"""The runner over a session: what it converts, tells and hands on; `ort/` tests the session."""

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import BadModelError, UsageError
from pipeline.ort.session import OrtOptions
from pipeline.ort.settings import SessionSettings, settings_path, write_settings
from pipeline.stages.runners.ort_runner import OrtRunner
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of

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
        assert runner.input_names == ("x", "w")
    assert list(got) == ["y", "z"] == list(runner.output_names)
    np.testing.assert_array_equal(got["z"], np.array([[1, 4, 9]] * 2, np.float32))


def test_a_missing_input_is_a_usage_error(graph):
    with pytest.raises(UsageError, match="w"):
        OrtRunner(graph).run({"x": FEEDS["x"]})
    with pytest.raises(UsageError, match="w"):
        OrtRunner(graph).prepare({"x": FEEDS["x"]})


def test_a_wrong_shape_is_reported_in_one_line(graph):
    with pytest.raises(BadModelError, match="failed while running") as caught:
        OrtRunner(graph).run({"x": np.ones((2, 4), np.float32), "w": FEEDS["w"]})
    assert str(graph) in caught.value.where


def test_what_runs_is_told(graph):
    settings = SessionSettings(("SkipLayerNormFusion",), denormals="flush")
    write_settings(settings_path(graph), settings)
    told = OrtRunner(graph, OrtOptions(threads=1)).describe()
    assert told["settings"] == "no SkipLayerNormFusion, denormals flushed"
    assert (told["threads"], told["own optimizer"]) == ("1", "on")
    assert told["provider"] == "CPUExecutionProvider"
    assert "nodes" not in told  # all of them are that provider's
    plain = OrtRunner(graph, OrtOptions(level="none", settings=SessionSettings())).describe()
    assert (plain["settings"], plain["own optimizer"]) == ("none", "off")


def test_caches_written_in_place_are_told(tmp_path):
    path = tmp_path / "cached.onnx"
    onnx.save(onnx_of(graphs.fused()), path)
    settings = SessionSettings(in_place={"nk": "pk", "nv": "pv"})
    with OrtRunner(path, OrtOptions(settings=settings)) as runner:
        assert runner.describe()["settings"] == "caches written in place"


def onnx_of(text):
    import onnx_ir as ir

    return ir.to_proto(model_of(text, graphs.OPSET))


def test_prepared_calls_run_the_graph(graph):
    call = OrtRunner(graph).prepare({**FEEDS, "other": np.zeros(1)})
    assert call() is None
    call()


def test_floats_take_the_graphs_type_and_integers_do_not(graph):
    wide = {name: array.astype(np.float64) for name, array in FEEDS.items()}
    assert OrtRunner(graph).run(wide)["y"].dtype == np.float32
    with pytest.raises(BadModelError):
        OrtRunner(graph).run({name: array.astype(np.int64) for name, array in FEEDS.items()})


def test_the_profile_says_where_it_is(graph, tmp_path):
    with OrtRunner(graph, OrtOptions(profile=tmp_path / "p")) as runner:
        runner.run(FEEDS)
        assert runner.end_profile().startswith(str(tmp_path / "p"))
