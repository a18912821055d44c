import numpy as np
import pytest

from pipeline import tensorrt_api
from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.stages.runners import tensorrt_runner
from pipeline.stages.runners.cuda_driver import CudaError
from pipeline.stages.runners.tensorrt_engine import DeviceTensor
from pipeline.stages.runners.tensorrt_runner import TensorrtRunner
from tests.pipeline.stages.runners.fake_gpu import FakeCuda, fake_bindings


@pytest.fixture
def gpu():
    return FakeCuda()


@pytest.fixture
def opened(gpu, tmp_path, monkeypatch):
    """Return a function that opens a runner on the fake GPU, and the fake engine behind it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trt, made = fake_bindings(gpu)
    monkeypatch.setattr(tensorrt_api, "choose", lambda backend: "tensorrt-rtx")
    monkeypatch.setattr(tensorrt_api, "load", lambda flavour: trt)
    plan = tmp_path / "m.plan"
    plan.write_bytes(b"plan")
    return lambda **options: (TensorrtRunner(plan, cuda=gpu, **options), made.engine)


def x(rows):
    return np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)


def test_without_a_driver_it_refuses_in_words(tmp_path, monkeypatch):
    def fail(*_args):
        raise CudaError("no NVIDIA driver here")

    monkeypatch.setattr(tensorrt_runner, "Cuda", fail)
    with pytest.raises(EnvironmentMissingError, match="runs only on an NVIDIA GPU") as caught:
        TensorrtRunner(tmp_path / "m.plan")
    assert "pipeline pack" in caught.value.fix
    assert caught.value.exit_code == 3


def test_runs_and_converts_floats(opened, gpu):
    runner, _engine = opened()
    with runner:
        assert (runner.input_names, runner.output_names) == (("x",), ("y",))
        assert np.array_equal(runner.run({"x": x(3)})["y"], 2 * x(3))
        assert np.array_equal(runner.run({"x": x(5).astype(np.float16)})["y"], 2 * x(5))
        assert runner.describe()["precision"] == "float32"
    assert gpu.memory == {}, "device memory was not released"


def test_profiles_switch_by_shape_and_out_of_range_is_named(opened):
    runner, engine = opened()
    runner.run({"x": x(8)})
    assert engine.context.profiles == []
    runner.run({"x": x(40)})
    runner.run({"x": x(3)})
    assert engine.context.profiles == [1]
    with pytest.raises(UsageError, match=r"no profile covers .*65"):
        runner.run({"x": x(65)})
    with pytest.raises(UsageError, match="'x' is missing"):
        runner.run({})
    with pytest.raises(UsageError, match="int64 was fed"):
        runner.run({"x": x(2).astype(np.int64)})


def test_kept_tensors_never_visit_the_host(opened, gpu):
    runner, _engine = opened()
    first = runner.run_resident({"x": x(2)}, ["y"])["y"]
    assert isinstance(first, DeviceTensor)
    second = runner.run_resident({"x": first}, ["y"])["y"]
    assert first.address != second.address
    assert np.array_equal(runner.fetch(second), 4 * x(2))
    runner.release(first)
    third = runner.run_resident({"x": second}, ["y"])["y"]
    assert third.address == first.address, "released memory is used again"
    assert np.array_equal(runner.fetch(third), 8 * x(2))


def test_held_values_give_their_memory_back(opened, gpu):
    """The interface that generation uses for caches: values by prefix, freed with their handle."""
    runner, _engine = opened()
    start = runner.hold(x(2).astype(np.float64))
    first = runner.run_held({"x": start}, "y")["y"]
    assert np.array_equal(first.numpy(), 2 * x(2))
    for _ in range(10):
        first = runner.run_held({"x": first}, "y")["y"]
    assert np.array_equal(first.numpy(), 2**11 * x(2))
    del start
    assert len(gpu.memory) <= 4, "each step took new memory"
    assert isinstance(runner.run_held({"x": x(2)}, "other")["y"], np.ndarray)
    runner.close()
    del first
    runner.close()


def test_prepared_inputs_are_copied_once(opened, gpu, monkeypatch):
    runner, engine = opened()
    call = runner.prepare({"x": x(3)})
    monkeypatch.setattr(gpu, "to_device", None)
    before = engine.context.runs
    call()
    call()
    assert engine.context.runs == before + 2
    with pytest.raises(UsageError, match="no profile covers"):
        runner.prepare({"x": x(65)})


def test_outputs_are_written_into_held_values(opened, gpu):
    runner, _engine = opened()
    cache = runner.hold(x(2))
    before = len(gpu.memory)
    for _ in range(3):
        made = runner.run_held({"x": cache}, "y", {"y": cache})
        assert made["y"] is cache
    assert np.array_equal(cache.numpy(), 8 * x(2))
    assert len(gpu.memory) == before
    with pytest.raises(UsageError, match=r"output 'y' is \(3, 4\)"):
        runner.run_held({"x": x(3)}, "y", {"y": cache})


@pytest.mark.parametrize("graphs", [False, True])
def test_prepared_calls_take_turns_each_on_its_own_inputs(opened, gpu, graphs):
    runner, engine = opened(cuda_graph=graphs)

    def result(rows):
        array = np.empty((rows, 4), np.float32)
        gpu.to_host(array.ctypes.data, engine.context.addresses["y"], array.nbytes)
        return array

    calls = [(runner.prepare({"x": values}), values) for values in (x(2), x(2) + 1, x(7), x(30))]
    for call, values in [*calls, *reversed(calls), *calls, calls[-1]]:
        call()
        assert np.array_equal(result(len(values)), 2 * values)
    assert np.array_equal(runner.run({"x": x(5)})["y"], 2 * x(5))
    calls[-1][0]()
    assert np.array_equal(result(30), 2 * calls[-1][1])
    runner.close()
    assert gpu.memory == {}


def test_a_replay_reads_the_inputs_of_its_call(opened):
    runner, _engine = opened(cuda_graph=True)
    one, other = runner.hold(x(2)), runner.hold(x(2) + 5)
    for _ in range(2):
        assert np.array_equal(runner.run_held({"x": one}, "none")["y"], 2 * x(2))
        assert np.array_equal(runner.run_held({"x": other}, "none")["y"], 2 * (x(2) + 5))


def test_graphs_are_replayed_for_equal_shapes_and_dropped_when_buffers_move(opened, gpu):
    runner, _engine = opened(cuda_graph=True)
    assert np.array_equal(runner.run({"x": x(2)})["y"], 2 * x(2))
    assert (gpu.launched, len(gpu.replays)) == (0, 1)
    assert np.array_equal(runner.run({"x": x(2) + 1})["y"], 2 * (x(2) + 1))
    assert gpu.launched == 1
    runner.run({"x": x(7)})
    assert np.array_equal(runner.run({"x": x(7) + 1})["y"], 2 * (x(7) + 1))
    assert gpu.launched == 2
    runner.close()
    assert gpu.replays == {}


def test_compiled_kernels_are_kept_for_the_next_time(opened, tmp_path):
    runner, _engine = opened()
    runner.close()
    saved = tmp_path / "cache/pipeline/runtime/m.cache"
    assert saved.read_bytes() == b"kernels"
    again, engine = opened()
    assert engine.config.loaded == b"kernels"
    again.close()


def test_a_plan_of_another_release_is_an_environment_matter(opened, gpu, tmp_path):
    (tmp_path / "m.plan").write_bytes(b"bad")
    with pytest.raises(EnvironmentMissingError, match="built for another release"):
        opened()
