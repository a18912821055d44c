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


def test_a_runner_that_holds_nothing_gets_arrays():
    class Plain:
        input_names, output_names = ("past_key_values.0.key",), ("present.0.key",)

        def run(self, feeds):
            return {"present.0.key": feeds["past_key_values.0.key"]}

    inputs = [{"name": "past_key_values.0.key", "dtype": "float32", "shape": ["b", 2, "p", 4]}]
    cache = empty_cache(Plain(), inputs, rows=2)
    made = run_held(Plain(), cache, "present.")
    assert made["present.0.key"].shape == (2, 2, 0, 4)
