"""The little of CUDA that running an engine needs, through the driver's own library.

Nothing but ctypes: libcuda comes with every driver, so neither torch with CUDA nor cuda-python
has to be installed; `pipeline pack` ships this file as it is.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_CAPTURE_RELAXED = 2
_ERROR_TEXT = ctypes.c_char_p


class CudaError(RuntimeError):
    """A driver call failed, or there is no driver."""


class Cuda:
    """One GPU's primary context: memory, one stream, events, captured graphs.

    Raises:
        CudaError: No driver answers, or there is no such GPU.
    """

    def __init__(self, device: int = 0) -> None:
        try:
            self._lib = ctypes.CDLL(DRIVER)
        except OSError as err:
            raise CudaError(f"no NVIDIA driver here ({err})") from err
        self._call("cuInit", 0)
        handle, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(handle), device)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._call("cuCtxSetCurrent", context)
        self._device = handle
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), 1)
        self.stream = int(stream.value or 0)

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._lib, name)(*arguments)
        if code:
            text = _ERROR_TEXT()
            self._lib.cuGetErrorString(code, ctypes.byref(text))
            words = (text.value or b"unknown").decode(errors="replace")
            raise CudaError(f"{name} failed: {words} ({code})")

    def name(self) -> str:
        """Return the GPU's name."""
        text = ctypes.create_string_buffer(128)
        self._call("cuDeviceGetName", text, 128, self._device)
        return text.value.decode(errors="replace")

    def allocate(self, size_bytes: int) -> int:
        """Return the address of new device memory."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size_bytes, 1)))
        return int(address.value)

    def free(self, address: int) -> None:
        """Release device memory."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def to_device(self, address: int, host: int, size_bytes: int) -> None:
        """Copy host memory to the device, in the stream's order."""
        self._copy(
            "cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), ctypes.c_void_p(host), size_bytes
        )

    def to_host(self, host: int, address: int, size_bytes: int) -> None:
        """Copy device memory to the host, in the stream's order."""
        self._copy(
            "cuMemcpyDtoHAsync_v2", ctypes.c_void_p(host), ctypes.c_uint64(address), size_bytes
        )

    def _copy(self, name: str, target: Any, source: Any, size_bytes: int) -> None:
        if size_bytes:
            self._call(name, target, source, ctypes.c_size_t(size_bytes), self._stream())

    def _stream(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.stream)

    def synchronize(self) -> None:
        """Wait until everything put into the stream is done."""
        self._call("cuStreamSynchronize", self._stream())

    def free_bytes(self) -> int:
        """Return how much device memory nobody uses."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return int(free.value)

    def event(self) -> int:
        """Return a new event, recorded now."""
        handle = ctypes.c_void_p()
        self._call("cuEventCreate", ctypes.byref(handle), 0)
        self._call("cuEventRecord", handle, self._stream())
        return int(handle.value or 0)

    def elapsed_ms(self, start: int, end: int) -> float:
        """Return the time between two recorded events and destroy them."""
        passed = ctypes.c_float()
        self._call("cuEventSynchronize", ctypes.c_void_p(end))
        self._call(
            "cuEventElapsedTime", ctypes.byref(passed), ctypes.c_void_p(start), ctypes.c_void_p(end)
        )
        for event in (start, end):
            self._call("cuEventDestroy_v2", ctypes.c_void_p(event))
        return float(passed.value)

    def begin_capture(self) -> None:
        """Record what follows in the stream instead of running it."""
        self._call("cuStreamBeginCapture_v2", self._stream(), _CAPTURE_RELAXED)

    def end_capture(self) -> int:
        """Return what was recorded, ready to be launched."""
        graph, ready = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamEndCapture", self._stream(), ctypes.byref(graph))
        try:
            self._call(
                "cuGraphInstantiateWithFlags", ctypes.byref(ready), graph, ctypes.c_uint64(0)
            )
        finally:
            self._call("cuGraphDestroy", graph)
        return int(ready.value or 0)

    def launch(self, ready: int) -> None:
        """Run a recorded graph in the stream."""
        self._call("cuGraphLaunch", ctypes.c_void_p(ready), self._stream())

    def drop(self, ready: int) -> None:
        """Release a recorded graph."""
        self._call("cuGraphExecDestroy", ctypes.c_void_p(ready))
