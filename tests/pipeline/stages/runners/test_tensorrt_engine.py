"""A plan on a GPU made of numpy: addresses, shapes, profiles, replays, and what is freed."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.stages.runners.tensorrt_engine import Engine
from pipeline.stages.runners.tensorrt_types import EngineError
from tests.pipeline.stages.runners.fake_gpu import FakeCuda, fake_bindings


def x(rows):
    return np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)


@pytest.fixture
def gpu():
    return FakeCuda()


@pytest.fixture
def opened(gpu, tmp_path):
    """Return a function that opens a plan, and what the bindings made."""

    def engine(data=b"plan", rtx=True, **options):
        trt, made = fake_bindings(gpu, rtx)
        plan = tmp_path / "m.plan"
        plan.write_bytes(data)
        opened = Engine(plan, trt, gpu, **options)
        return opened, getattr(made, "engine", None)

    return engine


def test_a_plan_that_does_not_load_says_what_was_logged(opened):
    with pytest.raises(EngineError, match=r"m\.plan does not load: built for another release"):
        opened(b"bad")


def test_outputs_come_back_or_stay(opened, gpu):
    engine, _ = opened()
    assert np.array_equal(engine.run({"x": x(3)})["y"], 2 * x(3))
    kept = engine.run({"x": x(2)}, keep=["y"])["y"]
    assert np.array_equal(engine.fetch(kept), 2 * x(2))
    assert np.array_equal(engine.run({"x": kept})["y"], 4 * x(2))
    engine.release(kept)
    engine.close()
    assert gpu.memory == {}


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "input 'x' is missing; the engine takes"),
        ({"x": x(2).astype(np.float16)}, "is float32, float16 was fed"),
        ({"x": x(65)}, r"no profile covers .*\(65, 4\)"),
        ({"x": np.zeros((2, 4, 1), np.float32)}, "no profile covers"),
        ({"x": np.zeros((0, 4), np.float32)}, "no profile covers"),
    ],
    ids=["missing", "type", "too long", "rank", "too short"],
)
def test_what_does_not_fit_is_named(feeds, words, opened):
    engine, _ = opened()
    with pytest.raises(EngineError, match=words):
        engine.run(feeds)


def test_a_profile_is_left_only_where_another_is_needed(opened):
    engine, made = opened()
    for rows in (8, 9, 64, 3, 1):
        engine.run({"x": x(rows)})
    assert made.context.profiles == [1]


def test_fixed_shapes_need_no_profile(opened, monkeypatch):
    engine, made = opened()
    monkeypatch.setattr(made, "get_tensor_shape", lambda name: (3, 4))
    monkeypatch.setattr(made, "get_tensor_profile_shape", None)
    assert np.array_equal(engine.run({"x": x(3)})["y"], 2 * x(3))
    with pytest.raises(EngineError, match="no profile covers"):
        engine.run({"x": x(4)})


def test_an_output_of_unknown_size_is_refused(opened, monkeypatch):
    engine, made = opened()
    monkeypatch.setattr(made.context, "get_tensor_shape", lambda name: (-1, 4))
    with pytest.raises(EngineError, match="the shape of output 'y' depends on values"):
        engine.run({"x": x(3)})


def test_an_engine_that_does_not_run_is_an_error(opened, monkeypatch):
    engine, made = opened()
    monkeypatch.setattr(made.context, "execute_async_v3", lambda stream: False)
    engine.logger.log("ERROR", "no memory")
    with pytest.raises(EngineError, match="the engine did not run: no memory"):
        engine.run({"x": x(3)})


def test_buffers_grow_and_are_not_shrunk(opened, gpu):
    engine, _ = opened()
    engine.run({"x": x(40)})
    places = set(gpu.memory)
    engine.run({"x": x(2)})
    assert set(gpu.memory) == places
    engine.run({"x": x(60)})
    assert len(gpu.memory) == len(places)


def test_released_memory_is_used_again_unless_it_is_far_too_large(opened, gpu):
    engine, _ = opened()
    small, large = engine.keep(x(2)), engine.keep(x(60))
    engine.release(large)
    assert engine.keep(x(2)).address != large.address
    assert engine.keep(x(50)).address == large.address
    engine.release(small)
    assert engine.keep(x(2)).address == small.address


def test_an_output_is_written_where_it_is_told(opened):
    engine, _ = opened()
    target = engine.keep(x(2))
    made = engine.run({"x": target}, keep=["y"], into={"y": target})
    assert made["y"] is target
    assert np.array_equal(engine.fetch(target), 2 * x(2))
    with pytest.raises(EngineError, match=r"output 'y' is \(3, 4\), a tensor of \(2, 4\)"):
        engine.run({"x": x(3)}, into={"y": target})


def test_replays_are_for_equal_shapes_and_places(opened, gpu):
    engine, _ = opened(graphs=True)
    for add in range(3):
        assert np.array_equal(engine.run({"x": x(2) + add})["y"], 2 * (x(2) + add))
    assert (gpu.launched, len(gpu.replays)) == (2, 1)
    engine.run({"x": x(3)})
    assert gpu.launched == 2
    engine.close()
    assert gpu.replays == {}


def test_compiled_kernels_are_written_on_close_and_read_next_time(opened, tmp_path):
    cache = tmp_path / "deep" / "kernels"
    engine, _ = opened(cache=cache)
    assert not cache.exists()
    engine.close()
    assert cache.read_bytes() == b"kernels"
    assert [p.name for p in cache.parent.iterdir()] == ["kernels"]
    again, made = opened(cache=cache)
    assert made.config.loaded == b"kernels"
    again.close()


def test_full_tensorrt_has_no_runtime_cache(opened, tmp_path):
    engine, _ = opened(rtx=False, cache=tmp_path / "c")
    engine.close()
    assert not (tmp_path / "c").exists()
