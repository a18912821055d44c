"""The runner for a file: ONNX Runtime for graphs, TensorRT for plans."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.toolchain import install_hint

if TYPE_CHECKING:
    from pipeline.stages.runners.base import Runner

ENGINE_SUFFIXES = (".plan", ".engine", ".trt")


def open_runner(
    path: Path,
    *,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 0,
    own_optimizer: bool = True,
    huge_pages: bool = False,
) -> Runner:
    """Return a runner for a graph (`.onnx`) or an engine (`.plan`), ready to run.

    Args:
        path: The file; settings written beside a graph are applied.
        device: Where a graph runs; "auto" reads the target in its name and else takes the CPU.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        own_optimizer: Whether ONNX Runtime may rewrite the graph itself.
        huge_pages: Whether a graph's weights on the CPU may lie in huge pages.

    Raises:
        UsageError: no such file, or a kind nothing here runs.
        EnvironmentMissingError: the runtime, provider or GPU is absent.
    """
    if not path.is_file():
        raise UsageError(f"No such file: {path}.", fix="Give an .onnx graph or a .plan engine.")
    if path.suffix in ENGINE_SUFFIXES:
        module = load_runtime("pipeline.stages.runners.tensorrt_runner", "rtx")
        engine: Runner = module.TensorrtRunner(path)
        return engine
    if path.suffix != ".onnx":
        raise UsageError(
            f"Cannot tell how to run a {path.suffix or 'file without suffix'}.",
            where=str(path),
            fix="Graphs end in .onnx, engines in .plan.",
        )
    module = load_runtime("pipeline.stages.runners.ort_runner", "cpu")
    where = device if device != "auto" else ("cuda" if ".ort-cuda-" in path.name else "cpu")
    options = module.OrtOptions(
        device=where,
        threads=threads,
        level="all" if own_optimizer else "none",
        huge_pages=huge_pages,
    )
    graph: Runner = module.OrtRunner(path, options)
    return graph


def load_runtime(module: str, extra: str) -> Any:
    """Return one of our runner modules, which imports its runtime at the top.

    Raises:
        EnvironmentMissingError: that runtime is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if (err.name or "").split(".")[0] == "pipeline" and err.name != module:
            raise
        raise EnvironmentMissingError(
            f"{err.name} is not installed.",
            fix=install_hint(extra),
        ) from err
