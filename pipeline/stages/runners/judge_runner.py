"""A graph run by the judge: as a reference in float64, or in types no runtime here can run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.graph.files.model_file import load_model
from pipeline.judge import Judge
from pipeline.stages.runners.base import Closing
from pipeline.stages.runners.torch_runner import to_array


class JudgeRunner(Closing):
    """Interprets one ONNX file operator by operator.

    Args:
        path: The file.
        dtype: A mode of the judge; "declared" rounds as the graph's own types say.
    """

    def __init__(self, path: Path, dtype: str = "declared") -> None:
        self.path, self.dtype = path, dtype
        model = load_model(path)
        self._inputs = tuple(str(value.name) for value in model.graph.inputs)
        self._outputs = tuple(str(value.name) for value in model.graph.outputs)
        self._judge: Judge | None = Judge(model, dtype)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the graph's inputs in order."""
        return self._inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the graph's outputs in order."""
        return self._outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for these inputs."""
        assert self._judge is not None, "closed"
        values = self._judge.run({name: feeds[name] for name in self._inputs})
        return {name: to_array(values[name]) for name in self._outputs}

    def describe(self) -> dict[str, str]:
        """Return that nothing but the reference executor ran."""
        return {"runtime": "judge", "device": "cpu", "precision": self.dtype}

    def close(self) -> None:
        """Release the model."""
        self._judge = None
