"""OpenVINO on the CPU: a contender in measurements, not a target of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import openvino as ov

from pipeline.errors import BadModelError, UsageError


class OpenvinoRunner:
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
                f"OpenVINO refuses the model: {str(err).splitlines()[0]}", where=str(path)
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

    def __enter__(self) -> OpenvinoRunner:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the runner."""
        self.close()

    def _select(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            raise UsageError(f"Inputs not given: {', '.join(missing)}.", where=str(self.path))
        return {name: np.ascontiguousarray(feeds[name]) for name in self._inputs}
