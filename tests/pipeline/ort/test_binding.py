"""Bound runs: nothing given changes, what is written in place keeps its tail."""

import ml_dtypes
import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from pipeline.errors import BadModelError
from pipeline.ort.binding import Bound
from pipeline.ort.settings import SessionSettings
from pipeline.stages.runners.ort_runner import OrtOptions, OrtRunner
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of

PAIRS = {"nk": "pk", "nv": "pv"}


@pytest.fixture
def cached(tmp_path):
    """Return the path of a graph that writes in place, and inputs: rows at 1 and 4, 3 tokens."""
    path = tmp_path / "cached.onnx"
    model = model_of(graphs.fused(), graphs.OPSET)
    ir.save(model, path)
    return path, graphs.feeds_of(model, 2, 3) | {"at": np.array([1, 4])}


def test_the_tail_stays_and_what_is_given_does_not_change(cached):
    path, feeds = cached
    before = {name: array.copy() for name, array in feeds.items()}
    with OrtRunner(path, OrtOptions(settings=SessionSettings(in_place=PAIRS))) as runner:
        first, second = runner.run(feeds), runner.run(feeds)
        assert "written in place" in runner.describe()["settings"]
    for name, array in feeds.items():
        np.testing.assert_array_equal(array, before[name])
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    keys = feeds["k"].reshape(2, 3, 2, 16).transpose(0, 2, 1, 3)
    wanted = feeds["pk"].copy()
    wanted[0, :, 1:4], wanted[1, :, 4:7] = keys[0], keys[1]
    np.testing.assert_array_equal(first["nk"], wanted)


def test_a_prepared_run_may_be_repeated(cached):
    path, feeds = cached
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    bound = Bound(session, feeds, ("y", "nk", "nv"), "cpu", PAIRS)
    bound.run()
    first = bound.arrays()
    bound.run()
    for name, array in bound.arrays().items():
        np.testing.assert_array_equal(array, first[name])


def test_bfloat16_is_bound_as_its_bits(tmp_path):
    path = tmp_path / "add.onnx"
    text = "(bfloat16[2] x) => (bfloat16[2] y) { y = Identity(x) }"
    ir.save(model_of(text), path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    bound = Bound(session, {"x": np.ones(2, ml_dtypes.bfloat16)}, ("y",), "cpu", {})
    bound.run()
    assert bound.arrays()["y"].tolist() == [1, 1]


@pytest.mark.parametrize("pairs", [{"nk": "other"}, {"other": "pk"}])
def test_settings_for_another_graph_are_refused(cached, pairs):
    with pytest.raises(BadModelError, match="'other'"):
        OrtRunner(cached[0], OrtOptions(settings=SessionSettings(in_place=pairs)))
