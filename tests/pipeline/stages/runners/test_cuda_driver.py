"""The driver's functions and their order, through a library of ours in the driver's place."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from pipeline import tensorrt_api
from pipeline.stages.runners import cuda_driver
from pipeline.stages.runners.cuda_driver import Cuda, CudaError


class Driver:
    """Answers as libcuda does: 0, or a code where it is told to fail; memory is the host's."""

    def __init__(self):
        self.calls, self.failing, self.blocks = [], {}, {}

    def __getattr__(self, name):
        def called(*arguments):
            self.calls.append(name)
            if name in self.failing:
                return self.failing[name]
            getattr(Driver, f"do_{name}", lambda *_: None)(self, *arguments)
            return 0

        return called

    def cuGetErrorString(self, code, place):
        place._obj.value = {2: b"out of memory"}.get(code)

    def do_cuStreamCreate(self, place, flags):
        place._obj.value = 77

    def do_cuDeviceGetName(self, text, size, device):
        text.value = b"Some GPU"

    def do_cuMemAlloc_v2(self, place, size):
        block = (ctypes.c_ubyte * size.value)()
        self.blocks[ctypes.addressof(block)] = block
        place._obj.value = ctypes.addressof(block)

    def do_cuMemFree_v2(self, address):
        del self.blocks[address.value]

    def do_cuMemcpyHtoDAsync_v2(self, target, source, size, stream):
        assert stream.value == 77
        ctypes.memmove(target.value, source.value, size.value)

    do_cuMemcpyDtoHAsync_v2 = do_cuMemcpyHtoDAsync_v2

    def do_cuMemGetInfo_v2(self, free, total):
        free._obj.value, total._obj.value = 5, 9

    def do_cuEventCreate(self, place, flags):
        place._obj.value = 100 + len(self.calls)

    def do_cuEventElapsedTime(self, place, start, end):
        place._obj.value = end.value - start.value

    def do_cuStreamEndCapture(self, stream, place):
        place._obj.value = 11

    def do_cuGraphInstantiateWithFlags(self, place, graph, flags):
        place._obj.value = graph.value + 1


@pytest.fixture
def driver(monkeypatch):
    made = Driver()
    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", lambda name: made)
    return made


@pytest.fixture
def cuda(driver):
    made = Cuda()
    driver.calls.clear()
    return made


def test_it_starts_with_the_primary_context_of_the_device(driver):
    assert Cuda().stream == 77
    assert driver.calls == [
        "cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuStreamCreate",
    ]  # fmt: skip


def test_no_library_is_no_driver(monkeypatch):
    def absent(name):
        raise OSError(f"{name}: cannot open")

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", absent)
    with pytest.raises(CudaError, match=r"no NVIDIA driver here .*libcuda"):
        Cuda()


@pytest.mark.parametrize(("code", "words"), [(2, "out of memory"), (999, "unknown")])
def test_a_call_that_fails_says_which_and_why(code, words, driver, cuda):
    driver.failing["cuMemAlloc_v2"] = code
    with pytest.raises(CudaError, match=rf"cuMemAlloc_v2 failed: {words} \({code}\)"):
        cuda.allocate(8)


def test_arrays_go_there_and_come_back(driver, cuda):
    array, back = np.arange(5.0), np.empty(5)
    address = cuda.allocate(array.nbytes)
    cuda.to_device(address, array.ctypes.data, array.nbytes)
    cuda.to_host(back.ctypes.data, address, array.nbytes)
    assert np.array_equal(array, back)
    cuda.free(address)
    assert driver.blocks == {}


def test_nothing_is_one_byte_of_memory_and_no_copy(driver, cuda):
    address = cuda.allocate(0)
    assert len(driver.blocks[address]) == 1
    cuda.to_device(address, 0, 0)
    cuda.to_host(0, address, 0)
    assert driver.calls == ["cuMemAlloc_v2"]


def test_what_the_driver_tells(cuda):
    assert (cuda.name(), cuda.free_bytes()) == ("Some GPU", 5)


def test_two_events_are_waited_for_and_destroyed(driver, cuda):
    start = cuda.event()
    assert driver.calls == ["cuEventCreate", "cuEventRecord"]
    end = cuda.event()
    driver.calls.clear()
    assert cuda.elapsed_ms(start, end) == end - start
    assert driver.calls == [
        "cuEventSynchronize", "cuEventElapsedTime", "cuEventDestroy_v2", "cuEventDestroy_v2",
    ]  # fmt: skip


def test_a_capture_becomes_a_graph_that_runs_and_is_released(driver, cuda):
    cuda.begin_capture()
    ready = cuda.end_capture()
    assert ready == 12
    cuda.launch(ready)
    cuda.synchronize()
    cuda.drop(ready)
    assert driver.calls == [
        "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags",
        "cuGraphDestroy", "cuGraphLaunch", "cuStreamSynchronize", "cuGraphExecDestroy",
    ]  # fmt: skip


def test_a_capture_that_cannot_run_leaves_no_graph(driver, cuda):
    driver.failing["cuGraphInstantiateWithFlags"] = 2
    with pytest.raises(CudaError, match="cuGraphInstantiateWithFlags"):
        cuda.end_capture()
    assert driver.calls[-1] == "cuGraphDestroy"


@pytest.mark.skipif(tensorrt_api.find_gpu() is not None, reason="a driver answers here")
def test_the_driver_is_looked_for_and_missed():
    with pytest.raises(CudaError, match=r"no NVIDIA driver|failed"):
        Cuda()


@pytest.mark.gpu
@pytest.mark.skipif(tensorrt_api.find_gpu() is None, reason="no NVIDIA driver here")
def test_memory_on_a_real_gpu():
    cuda = Cuda()
    array, back = np.arange(5.0), np.empty(5)
    address = cuda.allocate(array.nbytes)
    cuda.to_device(address, array.ctypes.data, array.nbytes)
    cuda.to_host(back.ctypes.data, address, array.nbytes)
    cuda.synchronize()
    assert np.array_equal(array, back)
    cuda.free(address)
