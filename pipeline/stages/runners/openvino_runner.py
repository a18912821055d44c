"""OpenVINO on the CPU: a contender in measurements, not a target of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.stages.runners.base import Closing
from pipeline.stages.runners.kv_cache import Arrays, KvCache, past_of, present_of


class OpenvinoRunner(Closing):
    """Runs one ONNX file in OpenVINO, compiled for latency.

    Args:
        path: The file; OpenVINO reads dynamic sizes as they are.
        threads: Threads inside one operator, 0 for the runtime's own choice.

    Raises:
        BadModelError: OpenVINO refuses the model.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.path, self.threads = path, threads
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        # Left alone, the CPU plugin computes in bfloat16 where the machine has it.
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            self._model: Any = ov.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as err:
            raise BadModelError(
                f"OpenVINO refuses the model: {first_line(err)}", where=str(path)
            ) from err
        self._request: Any = self._model.create_infer_request()
        self._inputs = tuple(port.get_any_name() for port in self._model.inputs)
        self._outputs = tuple(port.get_any_name() for port in self._model.outputs)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the graph's inputs in order."""
        return self._inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the graph's outputs in order."""
        return self._outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output; inputs the graph does not have are ignored.

        Raises:
            UsageError: an input is missing.
        """
        results = self._request.infer(self._select(feeds), share_inputs=False)
        values = [np.array(results[port]) for port in self._model.outputs]
        return dict(zip(self._outputs, values, strict=True))

    def open_cache(
        self, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
    ) -> KvCache:
        """Return a cache that stays in the runtime; see `kv_cache.open_cache`."""
        return OpenvinoCache(self._model, dict(start), dict(fixed))

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already held by the runtime."""
        request: Any = self._model.create_infer_request()  # a request holds one set of inputs
        for name, array in self._select(feeds).items():
            request.set_tensor(name, ov.Tensor(array))

        def call() -> None:
            request.infer()

        return call

    def describe(self) -> dict[str, str]:
        """Return the version and what it was told."""
        return {
            "runtime": "openvino",
            "version": str(ov.__version__),
            "device": "CPU",
            "threads": str(self.threads or "default"),
        }

    def close(self) -> None:
        """Release the model."""
        self._model = self._request = None

    def _select(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            raise UsageError(f"Inputs not given: {', '.join(missing)}.", where=str(self.path))
        return {name: np.ascontiguousarray(feeds[name]) for name in self._inputs}


class OpenvinoCache:
    """Two requests by turns: what one has written the other reads where it lies."""

    def __init__(self, model: Any, start: Arrays, fixed: Arrays) -> None:
        self._requests = [model.create_infer_request() for _ in range(2)]
        for request in self._requests:
            for name, array in fixed.items():
                request.set_tensor(name, ov.Tensor(np.ascontiguousarray(array)))
        names = [port.get_any_name() for port in model.inputs]
        self._new = [name for name in names if name not in start and name not in fixed]
        self._others = [
            name for port in model.outputs if past_of(name := port.get_any_name()) not in start
        ]
        self._past: dict[str, Any] = {}
        self._set(start)

    def step(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Run over new positions; see `KvCache`."""
        request = self._requests[0]
        for name, tensor in self._past.items():
            request.set_tensor(name, tensor)
        for name in self._new:
            request.set_tensor(name, ov.Tensor(np.ascontiguousarray(feeds[name])))
        request.infer()
        self._past = {name: request.get_tensor(present_of(name)) for name in self._past}
        self._requests.reverse()
        return {name: np.array(request.get_tensor(name).data) for name in self._others}

    def arrays(self) -> Arrays:
        """Return the cache."""
        return {name: np.array(tensor.data) for name, tensor in self._past.items()}

    def reorder(self, rows: np.ndarray) -> None:
        """Take rows in another order."""
        self._set({name: value[rows] for name, value in self.arrays().items()})

    def _set(self, arrays: Arrays) -> None:
        self._past = {n: ov.Tensor(np.ascontiguousarray(value)) for n, value in arrays.items()}
