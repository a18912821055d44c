"""Caches stay with a runner that can hold them, and are arrays elsewhere."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.runners.held import as_array, empty_cache, hold, reorder, run_held
from pipeline.runners.ort_runner import OrtRunner
from tests.pipeline.text_graphs import model_of

GROWS = """(float[B,2,P,4] past, float[B,2,S,4] new) => (float[B,2,T,4] present, float[B,2,S,4] y) {
    present = Concat<axis=2>(past, new) y = Neg(new) }"""


@pytest.fixture
def runner(tmp_path):
    path = tmp_path / "grows.onnx"
    ir.save(model_of(GROWS), path)
    with OrtRunner(path) as opened:
        yield opened


def test_kept_values_are_fed_again_without_being_read(runner):
    new = np.ones((3, 2, 1, 4), dtype=np.float32)
    past = hold(runner, np.zeros((3, 2, 0, 4), dtype=np.float32))
    for step in range(1, 4):
        made = run_held(runner, {"past": past, "new": new * step}, "present")
        assert not isinstance(made["present"], np.ndarray)
        assert isinstance(made["y"], np.ndarray)
        past = made["present"]
    assert as_array(past)[0, 0, :, 0].tolist() == [1, 2, 3]


def test_beams_take_rows_in_another_order(runner):
    rows = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    held = {"past": hold(runner, np.broadcast_to(rows, (3, 2, 1, 4)))}
    swapped = as_array(reorder(runner, held, np.array([2, 0, 0]))["past"])
    assert swapped[:, 0, 0, 0].tolist() == [2, 0, 0]


def test_values_are_updated_in_place(tmp_path):
    text = """(float[2,4] past, float[2,4] new, float[N] other)
        => (float[2,4] present, float[N] y) { present = Add(past, new) y = Neg(other) }"""
    ir.save(model_of(text), tmp_path / "adds.onnx")
    with OrtRunner(tmp_path / "adds.onnx") as runner:
        past = start = hold(runner, np.zeros((2, 4), np.float32))
        for step in range(1, 5):
            feeds = {"new": np.ones((2, 4), np.float32), "other": np.full(step, 3, np.float32)}
            made = run_held(runner, {"past": past, **feeds}, "present", {"present": past})
            assert made["present"] is past
            assert made["y"].tolist() == [-3] * step
        assert as_array(start).tolist() == [[4] * 4] * 2
        kept = run_held(runner, {"past": past, **feeds}, "", {"present": past})
        assert as_array(kept["y"]).tolist() == [-3] * 4  # kept, and no target given
        other = hold(runner, np.zeros((2, 4), np.float32))
        run_held(runner, {"past": other, **feeds}, "present", {"present": other})
        assert (as_array(other)[0, 0], as_array(start)[0, 0]) == (1, 5)
        target = hold(runner, np.zeros(4, np.float32))
        run_held(runner, {"past": past, **feeds}, "present", {"present": past, "y": target})
        run_held(runner, {"past": past, **feeds}, "present", {"y": target})  # present made anew
        assert as_array(past)[0, 0] == 6
        run_held(runner, {"past": past, **feeds}, "present", {"present": past, "y": target})
        assert (as_array(past)[0, 0], as_array(target)[0]) == (7, -3)


def test_a_runner_that_holds_nothing_gets_arrays():
    class Plain:
        input_names, output_names = ("past_key_values.0.key",), ("present.0.key",)

        def run(self, feeds):
            return {"present.0.key": feeds["past_key_values.0.key"]}

    inputs = [{"name": "past_key_values.0.key", "dtype": "float32", "shape": ["b", 2, "p", 4]}]
    cache = empty_cache(Plain(), inputs, rows=2)
    made = run_held(Plain(), cache, "present.")
    assert made["present.0.key"].shape == (2, 2, 0, 4)
    again = run_held(Plain(), cache, "present.", {"present.0.key": cache})
    assert again["present.0.key"].shape == (2, 2, 0, 4)
