"""Caches stay with a runner that can hold them, and are arrays elsewhere."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from pipeline.errors import BadModelError, UsageError
from pipeline.ort.caches import FixedCache
from pipeline.stages.runners.kv_cache import ResidentCache, open_cache
from pipeline.stages.runners.ort_runner import OrtRunner
from pipeline.stages.runners.torch_runner import TorchRunner
from tests.pipeline.text_graphs import model_of

KEY = "past_key_values.0.key"
GROWS = """(float[B,2,S,4] new, float[B,2,P,4] past, float[4] scale)
    => (float[B,2,S,4] y, float[B,2,T,4] present) {
    scaled = Mul(new, scale) present = Concat<axis=2>(past, scaled) y = Neg(new) }"""
ADDS = """(float[B,2,4,1] past, float[N] other, float[B,2,4,1] new)
    => (float[N] y, float[B,2,4,1] present) { present = Add(past, new) y = Neg(other) }"""


def saved(text, path):
    """Save a graph whose past and present have the names of the export's contract."""
    model = model_of(text)
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.name = {"past": KEY, "present": "present.0.key"}.get(value.name, value.name)
    ir.save(model, path)


@pytest.fixture
def grows(tmp_path):
    saved(GROWS, tmp_path / "grows.onnx")
    with OrtRunner(tmp_path / "grows.onnx") as opened:
        yield opened


def opened(kind, path):
    """Return a runner of a kind over the graph."""
    if kind == "onnxruntime":
        return OrtRunner(path)
    if kind == "openvino":
        pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
        from pipeline.stages.runners.openvino_runner import OpenvinoRunner

        return OpenvinoRunner(path, threads=1)
    if kind == "torch":

        class Grows(torch.nn.Module):
            def forward(self, new, past, scale):
                return -new, (torch.cat([past, new * scale], dim=2),)

        return TorchRunner(Grows(), ("new", KEY, "scale"), ("y", "present.0.key"))
    return Plain(OrtRunner(path))


KINDS = {
    "onnxruntime": "GrowingCache",
    "torch": "ResidentCache",
    "openvino": "OpenvinoCache",
    "arrays": "ArrayCache",
}


class Plain:
    """A runner that keeps nothing."""

    def __init__(self, runner):
        self.run, self.input_names = runner.run, runner.input_names


@pytest.mark.parametrize("kind", KINDS)
def test_a_growing_cache_is_fed_again(tmp_path, kind):
    saved(GROWS, tmp_path / "grows.onnx")
    runner = opened(kind, tmp_path / "grows.onnx")
    start = {KEY: np.zeros((3, 2, 0, 4), np.float32)}
    fixed = {"scale": np.array([1, 2, 3, 4], np.float32), "nobody": np.zeros(1)}
    cache = open_cache(runner, start, fixed, in_place=False)
    assert type(cache).__name__ == KINDS[kind]
    answers = []
    for step in range(1, 4):
        made = cache.step({"new": np.full((3, 2, step, 4), step, np.float32), "more": np.zeros(1)})
        assert list(made) == ["y"]
        answers.append(made["y"])
    assert [a[0, 0, :, 0].tolist() for a in answers] == [[-1], [-2] * 2, [-3] * 3]
    (held,) = cache.arrays().values()
    assert held.shape == (3, 2, 6, 4)
    assert held[0, 0].tolist() == [[n, 2 * n, 3 * n, 4 * n] for n in (1, 2, 2, 3, 3, 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_beams_take_rows_in_another_order(tmp_path, kind):
    saved(GROWS, tmp_path / "grows.onnx")
    rows = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    start = {KEY: np.broadcast_to(rows, (3, 2, 1, 4))}
    fixed = {"scale": np.ones(4, np.float32)}
    runner = opened(kind, tmp_path / "grows.onnx")
    cache = open_cache(runner, start, fixed, in_place=False)
    cache.reorder(np.array([2, 0, 0]))
    cache.step({"new": rows + np.full((3, 2, 1, 4), 10, np.float32)})
    assert cache.arrays()[KEY][:, 0, :, 0].tolist() == [[2, 10], [0, 11], [0, 12]]
    cache.reorder(np.array([0, 0, 1]))
    assert cache.arrays()[KEY][:, 0, :, 0].tolist() == [[2, 10], [2, 10], [0, 11]]


def test_a_fixed_cache_is_updated_in_place(tmp_path):
    saved(ADDS, tmp_path / "adds.onnx")
    with OrtRunner(tmp_path / "adds.onnx") as runner:
        start = np.zeros((2, 2, 4, 1), np.float32)
        cache = open_cache(runner, {KEY: start}, {}, in_place=True)
        assert isinstance(cache, FixedCache)
        new = np.array([1, 2], np.float32).reshape(2, 1, 1, 1) + np.zeros_like(start)
        kept = []
        for step in range(1, 5):
            kept.append(cache.step({"new": new, "other": np.full(step, step, np.float32)})["y"])
        assert [y.tolist() for y in kept] == [[-1], [-2] * 2, [-3] * 3, [-4] * 4]
        assert cache.arrays()[KEY][:, 0, 0, 0].tolist() == [4, 8]
        cache.reorder(np.array([1, 0]))
        cache.step({"new": new, "other": np.zeros(1, np.float32)})
        assert cache.arrays()[KEY][:, 0, 0, 0].tolist() == [9, 6]


def test_steps_of_one_form_share_memory_that_is_not_the_callers(tmp_path):
    saved(ADDS, tmp_path / "adds.onnx")
    with OrtRunner(tmp_path / "adds.onnx") as runner:
        start = np.zeros((1, 2, 4, 1), np.float32)
        cache = open_cache(runner, {KEY: start}, {}, in_place=True)
        new, made = np.ones_like(start), []
        for value in (1, 2, 3):
            other = np.full(2, value, np.float32)
            made.append(cache.step({"new": new, "other": other})["y"])
            other[:] = 9
        assert [y.tolist() for y in made] == [[-1] * 2, [-2] * 2, [-3] * 2]
        wide = cache.step({"new": new, "other": np.float32([4, 5, 6])})["y"]
        assert wide.tolist() == [-4, -5, -6]
        assert cache.step({"new": 2 * new, "other": np.float32([7])})["y"].tolist() == [-7]
        assert cache.arrays()[KEY].reshape(-1).tolist() == [6] * 8


def test_what_a_step_gives_outlives_the_cache(grows):
    start = {KEY: np.zeros((1, 2, 0, 4), np.float32)}
    cache = open_cache(grows, start, {"scale": np.ones(4, np.float32)}, in_place=False)
    first = cache.step({"new": np.ones((1, 2, 50, 4), np.float32)})["y"]
    for _ in range(20):
        cache.step({"new": np.zeros((1, 2, 50, 4), np.float32)})
    del cache, start
    assert (first == -1).all()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_step_without_its_inputs_is_refused(tmp_path, grows, in_place):
    saved(ADDS, tmp_path / "adds.onnx")
    start = {KEY: np.zeros((1, 2, 4, 1), np.float32)}
    with OrtRunner(tmp_path / "adds.onnx") as runner:
        cache = open_cache(runner, start, {}, in_place=in_place)
        with pytest.raises(UsageError, match=r"Inputs not given: other\."):
            cache.step({"new": np.zeros((1, 2, 4, 1), np.float32)})
        bad = {"new": np.zeros((1, 3, 4, 1), np.float32), "other": np.zeros(1, np.float32)}
        with pytest.raises(BadModelError, match=r"adds\.onnx|failed while running"):
            cache.step(bad)


class Device:
    """A runner with memory of its own, as an engine has: a value there is an array in a box."""

    input_names, output_names = (KEY, "new", "scale"), ("y", "present.0.key")

    class Box:
        def __init__(self, array):
            self.array = np.array(array)

    def hold(self, array):
        return self.Box(array)

    def open_cache(self, start, fixed, in_place):
        return ResidentCache(self, start, fixed, in_place)

    def fetch(self, box):
        return box.array

    def run_held(self, feeds, kept, into=None):
        assert set(feeds) == set(self.input_names)
        past, scale = feeds[KEY].array, feeds["scale"].array
        if into is None:
            present = self.Box(np.concatenate([past, feeds["new"] * scale], axis=2))
        else:
            present = into["present.0.key"]
            assert present is feeds[KEY]
            present.array += feeds["new"] * scale
        return {"y": -feeds["new"], kept + "0.key": present}


@pytest.mark.parametrize("in_place", [False, True])
def test_a_cache_on_a_device_is_carried_as_its_values(in_place):
    start = {KEY: np.zeros((2, 1, 1 if in_place else 0, 1), np.float32)}
    cache = open_cache(Device(), start, {"scale": np.float32([2]), "no": np.zeros(1)}, in_place)
    new = np.float32([1, 10]).reshape(2, 1, 1, 1)
    for step in range(1, 4):
        made = cache.step({"new": new * step, "other": new})
        assert list(made) == ["y"]
    cache.reorder(np.array([1, 0]))
    rows = cache.arrays()[KEY][:, 0, :, 0].tolist()
    assert rows == ([[120], [12]] if in_place else [[20, 40, 60], [2, 4, 6]])
