"""A TensorRT plan, loaded and run: shapes, addresses, profiles, CUDA graphs, tensors on the GPU.

Serves `tensorrt` 10 and 11 and `tensorrt_rtx` alike and needs numpy besides, since `pipeline pack`
ships these files as they are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.stages.runners.tensorrt_types import EngineError, logger, numpy_dtype

Shape = tuple[int, ...]
Places = tuple[tuple[Shape, int], ...]  # shape and address of every input


@dataclass
class DeviceTensor:
    """Memory on the GPU with a shape; outputs kept there can be fed to the next call."""

    address: int
    room_bytes: int
    shape: Shape
    dtype: np.dtype[Any]


class Engine:
    """One plan on one GPU.

    Args:
        plan: The file.
        trt: The bindings it was built with.
        cuda: The GPU, see cuda_driver.Cuda.
        graphs: Whether repeated shapes are replayed as one captured CUDA graph.
        cache: File of compiled kernels that TensorRT-RTX reads now and writes on close.
    """

    def __init__(
        self,
        plan: Path,
        trt: ModuleType,
        cuda: Any,
        graphs: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.trt, self.cuda, self.graphs, self.cache_path = trt, cuda, graphs, cache
        self.logger = logger(trt)
        self.runtime = trt.Runtime(self.logger)
        self.engine = self.runtime.deserialize_cuda_engine(plan.read_bytes())
        if self.engine is None:
            raise EngineError(f"{plan.name} does not load", self.logger.last)
        self.context, self.kernels = self._context()
        if self.context is None:
            raise EngineError(f"{plan.name} has no execution context", self.logger.last)
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        self.inputs = tuple(n for n in names if self._is_input(n))
        self.outputs = tuple(n for n in names if not self._is_input(n))
        self.dtypes = {n: numpy_dtype(trt, self.engine.get_tensor_dtype(n)) for n in names}
        self._held: dict[str, DeviceTensor] = {}
        self._loose: list[DeviceTensor] = []
        self._prepared: list[DeviceTensor] = []
        self._bound: object = None
        self._replays: dict[tuple[object, ...], int] = {}
        self._profile = 0

    def _is_input(self, name: str) -> bool:
        return bool(self.engine.get_tensor_mode(name) == self.trt.TensorIOMode.INPUT)

    def _context(self) -> tuple[Any, Any]:
        """Return the context, with RTX's cache of kernels compiled for this GPU."""
        engine = self.engine
        if not hasattr(engine, "create_runtime_config"):
            return engine.create_execution_context(), None
        runtime_config = engine.create_runtime_config()
        if not hasattr(runtime_config, "create_runtime_cache") or self.cache_path is None:
            return engine.create_execution_context(runtime_config), None
        kernels = runtime_config.create_runtime_cache()
        if self.cache_path.is_file():
            kernels.deserialize(self.cache_path.read_bytes())
        runtime_config.set_runtime_cache(kernels)
        return engine.create_execution_context(runtime_config), kernels

    def run(
        self,
        feeds: Mapping[str, np.ndarray | DeviceTensor],
        keep: Collection[str] = (),
        into: Mapping[str, DeviceTensor] | None = None,
    ) -> dict[str, np.ndarray | DeviceTensor]:
        """Return every output; those named in `keep` stay on the GPU.

        What was kept belongs to the caller: feed it again or give it to `release`. Outputs named
        in `into` are written there; a tensor that is fed as well is updated in place.

        Raises:
            EngineError: A missing input, or a shape no profile covers.
        """
        inputs, made = self._bind(feeds, keep, into)
        self._execute(inputs, made)
        self.cuda.synchronize()
        return {n: t if n in keep else self.fetch(t) for n, t in made.items()}

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, copied to the GPU once, and waits.

        Raises:
            EngineError: A missing input, or a shape no profile covers.
        """
        self._choose_profile({n: self._fed_shape(n, feeds) for n in self.inputs})
        own = {n: self.keep(feeds[n]) for n in self.inputs}
        self._prepared.extend(own.values())
        bound = self._bind(own, ())
        self._bound = own

        def call() -> None:
            nonlocal bound
            if self._bound is not own:  # another call has pointed the context elsewhere
                bound = self._bind(own, ())
                self._bound = own
            self._execute(*bound)
            self.cuda.synchronize()

        return call

    def _bind(
        self,
        feeds: Mapping[str, np.ndarray | DeviceTensor],
        keep: Collection[str],
        into: Mapping[str, DeviceTensor] | None = None,
    ) -> tuple[Places, dict[str, DeviceTensor]]:
        """Point the context at inputs and outputs; return both."""
        self._bound = None
        shapes = {n: self._fed_shape(n, feeds) for n in self.inputs}
        self._choose_profile(shapes)
        places = tuple((shapes[n], self._feed(n, feeds[n], shapes[n])) for n in self.inputs)
        given = into or {}
        return places, {n: self._output(n, n in keep, given.get(n)) for n in self.outputs}

    def _fed_shape(self, name: str, feeds: Mapping[str, np.ndarray | DeviceTensor]) -> Shape:
        if name not in feeds:
            raise EngineError(f"input {name!r} is missing; the engine takes {self.inputs}")
        feed = feeds[name]
        if feed.dtype != self.dtypes[name]:
            raise EngineError(f"input {name!r} is {self.dtypes[name]}, {feed.dtype} was fed")
        return tuple(int(d) for d in feed.shape)

    def _choose_profile(self, shapes: Mapping[str, Shape]) -> None:
        """Take the first profile that covers the shapes, the present one if it does."""
        count = self.engine.num_optimization_profiles
        order = [self._profile, *(i for i in range(count) if i != self._profile)]
        fitting = next((i for i in order if self._covers(i, shapes)), None)
        if fitting is None:
            ranges = {n: self._range(n, self._profile) for n in shapes}
            raise EngineError(f"no profile covers {dict(shapes)}; the first takes {ranges}")
        if fitting != self._profile:
            self.context.set_optimization_profile_async(fitting, self.cuda.stream)
            self._profile = fitting

    def _covers(self, profile: int, shapes: Mapping[str, Shape]) -> bool:
        for name, shape in shapes.items():
            low, high = self._range(name, profile)
            if len(shape) != len(low):
                return False
            if not all(a <= d <= b for a, d, b in zip(low, shape, high, strict=True)):
                return False
        return True

    def _range(self, name: str, profile: int) -> tuple[Shape, Shape]:
        if all(d >= 0 for d in self.engine.get_tensor_shape(name)):
            fixed = tuple(self.engine.get_tensor_shape(name))
            return fixed, fixed
        low, _favoured, high = self.engine.get_tensor_profile_shape(name, profile)
        return tuple(low), tuple(high)

    def _feed(self, name: str, feed: np.ndarray | DeviceTensor, shape: Shape) -> int:
        """Point an input at a feed and return its address on the GPU."""
        self.context.set_input_shape(name, shape)
        if isinstance(feed, DeviceTensor):
            self.context.set_tensor_address(name, feed.address)
            return feed.address
        array = np.ascontiguousarray(feed)
        tensor = self._room(name, shape, array.dtype)
        self.cuda.to_device(tensor.address, array.ctypes.data, array.nbytes)
        self.cuda.synchronize()  # the array may be a temporary of ours
        self.context.set_tensor_address(name, tensor.address)
        return tensor.address

    def _output(self, name: str, kept: bool, into: DeviceTensor | None) -> DeviceTensor:
        shape = tuple(self.context.get_tensor_shape(name))
        if any(d < 0 for d in shape):
            raise EngineError(f"the shape of output {name!r} depends on values: {shape}")
        if into is not None:
            if (shape, self.dtypes[name]) != (into.shape, into.dtype):
                raise EngineError(f"output {name!r} is {shape}, a tensor of {into.shape} was given")
            tensor = into
        elif kept:
            tensor = self._new(shape, self.dtypes[name])
        else:
            tensor = self._room(name, shape, self.dtypes[name])
        self.context.set_tensor_address(name, tensor.address)
        return tensor

    def _room(self, name: str, shape: Shape, dtype: np.dtype[Any]) -> DeviceTensor:
        """Return the buffer of a name, grown where needed; growing drops captured graphs."""
        size = math.prod(shape) * dtype.itemsize
        old = self._held.get(name)
        if old is not None and old.room_bytes >= size:
            old.shape = shape
            return old
        if old is not None:
            self.cuda.free(old.address)
            self._forget_replays()
        room = max(size, 1)
        self._held[name] = DeviceTensor(self.cuda.allocate(room), room, shape, dtype)
        return self._held[name]

    def _new(self, shape: Shape, dtype: np.dtype[Any]) -> DeviceTensor:
        """Return memory for a tensor that leaves us, from what was released where it fits."""
        size = max(math.prod(shape) * dtype.itemsize, 1)
        for tensor in self._loose:
            if size <= tensor.room_bytes <= 4 * size:
                self._loose.remove(tensor)
                return DeviceTensor(tensor.address, tensor.room_bytes, shape, dtype)
        room = size + size // 2  # a cache grows with every token
        return DeviceTensor(self.cuda.allocate(room), room, shape, dtype)

    def keep(self, array: np.ndarray) -> DeviceTensor:
        """Return an array as a tensor on the GPU that belongs to the caller."""
        array = np.ascontiguousarray(array)
        tensor = self._new(tuple(array.shape), array.dtype)
        self.cuda.to_device(tensor.address, array.ctypes.data, array.nbytes)
        self.cuda.synchronize()
        return tensor

    def release(self, tensor: DeviceTensor) -> None:
        """Take back a kept output for reuse."""
        self._loose.append(tensor)

    def _execute(self, inputs: Places, made: Mapping[str, DeviceTensor]) -> None:
        key = (self._profile, *inputs, *(t.address for t in made.values()))
        if self.graphs and key in self._replays:
            self.cuda.launch(self._replays[key])
            return
        self._enqueue()
        if self.graphs:
            self.cuda.synchronize()  # the first run settles lazy work, the second is recorded
            self.cuda.begin_capture()
            try:
                self._enqueue()
            finally:
                ready = self.cuda.end_capture()
            self._replays[key] = ready

    def _enqueue(self) -> None:
        if not self.context.execute_async_v3(self.cuda.stream):
            raise EngineError("the engine did not run", self.logger.last)

    def fetch(self, tensor: DeviceTensor) -> np.ndarray:
        """Return a tensor's contents."""
        array = np.empty(tensor.shape, tensor.dtype)
        self.cuda.to_host(array.ctypes.data, tensor.address, array.nbytes)
        self.cuda.synchronize()
        return array

    def _forget_replays(self) -> None:
        for ready in self._replays.values():
            self.cuda.drop(ready)
        self._replays.clear()

    def close(self) -> None:
        """Save RTX's kernels and release the GPU's memory."""
        if self.kernels is not None and self.cache_path is not None:
            self.cache_path.parent.mkdir(parents=True, exist_ok=True)
            part = self.cache_path.with_name(f".{self.cache_path.name}.{os.getpid()}")
            part.write_bytes(memoryview(self.kernels.serialize()))
            os.replace(part, self.cache_path)
            self.kernels = None
        self._forget_replays()
        for tensor in (*self._held.values(), *self._loose, *self._prepared):
            self.cuda.free(tensor.address)
        self._held.clear()
        self._loose.clear()
        self._prepared.clear()
