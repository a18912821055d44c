"""A GPU and bindings made of numpy, so that the engine's bookkeeping can be tested without one.

The engine computes y = 2 x and counts how often it ran; addresses, shapes, profiles, captures and
what is freed are checked as a real driver would.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np


class FakeCuda:
    """Host memory that pretends to be a device's."""

    stream = 7

    def __init__(self):
        self.memory: dict[int, ctypes.Array] = {}
        self.captured: list | None = None
        self.replays: dict[int, list] = {}
        self.launched = 0

    def allocate(self, size):
        block = (ctypes.c_ubyte * size)()
        self.memory[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, address):
        del self.memory[address]

    def _check(self, address, size):
        assert address in self.memory, "copy to memory that is not ours"
        assert size <= len(self.memory[address]), "copy beyond the end"

    def to_device(self, address, host, size):
        self._check(address, size)
        ctypes.memmove(address, host, size)

    def to_host(self, host, address, size):
        self._check(address, size)
        ctypes.memmove(host, address, size)

    def synchronize(self):
        assert self.captured is None

    def begin_capture(self):
        self.captured = []

    def end_capture(self):
        number = len(self.replays) + 1
        self.replays[number], self.captured = self.captured, None
        return number

    def launch(self, number):
        self.launched += 1
        for work in self.replays[number]:
            work()

    def drop(self, number):
        del self.replays[number]


class FakeContext:
    """Runs y = 2 x on fake memory."""

    def __init__(self, engine, cuda):
        self.engine, self.cuda = engine, cuda
        self.shape, self.addresses, self.profiles, self.runs = None, {}, [], 0

    def set_input_shape(self, name, shape):
        assert name == "x"
        self.shape = tuple(shape)

    def get_tensor_shape(self, name):
        return self.shape

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def set_optimization_profile_async(self, index, stream):
        assert stream == self.cuda.stream
        self.profiles.append(index)

    def execute_async_v3(self, stream):
        count = int(np.prod(self.shape))
        source, target = self.addresses["x"], self.addresses["y"]

        def work():
            self.runs += 1
            self.cuda._check(source, 4 * count)
            self.cuda._check(target, 4 * count)
            array = np.frombuffer((ctypes.c_ubyte * (4 * count)).from_address(source), np.float32)
            doubled = array * 2
            ctypes.memmove(target, doubled.ctypes.data, doubled.nbytes)

        work() if self.cuda.captured is None else self.cuda.captured.append(work)
        return True


class FakeEngine:
    """Two tensors, two profiles: lengths 1..8 and 1..64."""

    num_io_tensors = 2
    num_optimization_profiles = 2

    def __init__(self, cuda, rtx):
        self.context = FakeContext(self, cuda)
        self.config = FakeRuntimeConfig()
        if rtx:
            self.create_runtime_config = lambda: self.config

    def get_tensor_name(self, index):
        return "xy"[index]

    def get_tensor_mode(self, name):
        return {"x": "INPUT", "y": "OUTPUT"}[name]

    def get_tensor_dtype(self, name):
        return "DataType.FLOAT"

    def get_tensor_shape(self, name):
        return (-1, 4)

    def get_tensor_profile_shape(self, name, profile):
        return ((1, 4), (4, 4), ((8, 4), (64, 4))[profile])

    def create_execution_context(self, config=None):
        return self.context


class FakeRuntimeConfig:
    """RTX's run-time configuration with a cache of kernels."""

    def __init__(self):
        self.loaded = b""

    def create_runtime_cache(self):
        return SimpleNamespace(
            deserialize=lambda data: setattr(self, "loaded", data),
            serialize=lambda: b"kernels",
        )

    def set_runtime_cache(self, cache):
        self.cache = cache


def fake_bindings(cuda, rtx=True):
    """Return a module-like object whose plans all load, except one that says `bad`."""

    class Logger:
        ERROR, INTERNAL_ERROR = "ERROR", "INTERNAL_ERROR"

        def __init__(self):
            pass

    made = SimpleNamespace()

    class Runtime:
        def __init__(self, logger):
            self.logger = logger

        def deserialize_cuda_engine(self, data):
            if data == b"bad":
                self.logger.log("ERROR", "built for another release")
                return None
            made.engine = FakeEngine(cuda, rtx)
            return made.engine

    return (
        SimpleNamespace(
            ILogger=Logger,
            Runtime=Runtime,
            TensorIOMode=SimpleNamespace(INPUT="INPUT"),
            __version__="0",
        ),
        made,
    )
