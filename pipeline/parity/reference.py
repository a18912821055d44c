"""Where truth and PyTorch's own rounding come from: the PyTorch model, or a graph's meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.errors import ChangedModelError, PipelineError, UnconfirmedCodeError, lacks_memory
from pipeline.records.export import ExportRecord, ModelSource
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.base import Runner

if TYPE_CHECKING:
    from pipeline.stages.export.load import LoadedParts
    from pipeline.stages.export.parts import ExportPart

DTYPES = {"fp64": "float64", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
HEADROOM = 0.6
"""Share of the free memory a float64 copy of the weights may take."""


class Reference(Protocol):
    """Opens the same model in any precision."""

    def open(self, part: str, precision: str) -> Runner:
        """Return a runner of one part; precision is a key of DTYPES."""

    def describe(self) -> str:
        """Return what the reference is, in words."""


@dataclass
class GraphReference:
    """A graph as the judge computes it, in float64 or rounding after every node.

    Attributes:
        files: Part -> ONNX file.
    """

    files: Mapping[str, Path]
    why: str = ""

    def open(self, part: str, precision: str) -> Runner:
        """Return the judge on this part's graph."""
        from pipeline.stages.runners.judge_runner import JudgeRunner

        return JudgeRunner(self.files[part], DTYPES[precision])

    def describe(self) -> str:
        """Return what the reference is, in words."""
        return "the exported graph in float64, operator by operator" + self.why


@dataclass
class TorchReference:
    """The PyTorch model itself.

    Its parts share weights and are converted in place. Widening is exact and so is the way back,
    but rounding to 16 bits is not: after that the model is loaded again.

    Attributes:
        model: What was exported.
        folder: The artifact's folder.
        named: The model as the user names it on this command line.
    """

    model: ModelSource
    folder: Path
    named: str = ""
    _loaded: LoadedParts | None = None

    def open(self, part: str, precision: str) -> Runner:
        """Return the part's PyTorch module in this precision."""
        from pipeline.stages.runners.torch_runner import TorchOptions, TorchRunner

        module = self._part(part)
        if precision not in ("fp64", "fp32"):
            self._loaded = None
        options = TorchOptions(dtype=DTYPES[precision])  # type: ignore[arg-type]
        return TorchRunner(module.module, tuple(module.inputs), module.outputs, options)

    def describe(self) -> str:
        """Return what the reference is, in words."""
        return "the PyTorch model in float64"

    def _part(self, name: str) -> ExportPart:
        from pipeline.stages.export.load import reload_parts

        if self._loaded is None:
            self._loaded = reload_parts(self.model, self.folder, self.named)
        return next(part for part in self._loaded.parts if part.name == name)


def reference_for(exported: ExportRecord, folder: Path, named: str = "") -> tuple[Reference, str]:
    """Return the reference of an export artifact, and a note where it is not PyTorch's.

    The graph stands in where the model is gone, or where its float64 weights would not fit:
    the judge converts weights one operator at a time.

    Raises:
        ChangedModelError: The model's function is there and returns another model.
        UnconfirmedCodeError: The function is there, and nobody here had it run.
    """
    import psutil

    files = {name: folder / part.file for name, part in exported.parts.items()}
    needed = 2 * exported.weights.bytes
    free = psutil.virtual_memory().available
    if needed > HEADROOM * free:
        sizes = f"{math.ceil(needed / 1e6)} MB of {math.ceil(free / 1e6)} MB free"
        why = f" (float64 weights would take {sizes})"
        return GraphReference(files, why), f"reference: the exported graph{why}"
    torch = TorchReference(exported.model, folder, named)
    try:
        torch.open(next(iter(files)), "fp32").close()
    except (ChangedModelError, UnconfirmedCodeError):
        raise  # the graph would agree with itself: nothing would be said of what is there now
    except PipelineError as err:
        cause = "memory ran out" if lacks_memory(err) else err.what
        why = f" (the PyTorch model could not be loaded again: {cause})"
        return GraphReference(files, why), f"reference: the exported graph{why}"
    return torch, ""


def declared_types(values: Sequence[TensorSpec]) -> dict[str, np.dtype]:
    """Return the type of each input or output."""
    import ml_dtypes

    special = {"bfloat16": ml_dtypes.bfloat16, "float": "float32", "double": "float64"}
    return {value.name: np.dtype(special.get(value.dtype, value.dtype)) for value in values}
