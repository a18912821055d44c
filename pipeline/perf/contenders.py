"""Who takes part: what a folder holds and what it is held against, or files that were named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from pipeline.errors import UsageError
from pipeline.perf.contender import Contender
from pipeline.records.engine import EngineRecord
from pipeline.records.export import ExportedPart
from pipeline.records.optimize import OptimizeRecord
from pipeline.stages.runners.labels import distinct_names
from pipeline.stages.runners.open import ENGINE_SUFFIXES
from pipeline.toolchain import usable_cores

EXPORTED = "exported"
BASELINES = ("eager", EXPORTED, "eager cuda fp32", "eager cuda fp16", "eager cuda bf16")


def default_threads() -> int:
    """Return the physical cores this process may use."""
    return max(1, min(psutil.cpu_count(logical=False) or 1, usable_cores()))


def folder_contenders(
    folder: Path,
    exported: Mapping[str, ExportedPart],
    others: Mapping[str, OptimizeRecord | EngineRecord],
    against: Sequence[str],
    threads: int,
    torch_gpu: bool = False,
) -> tuple[list[Contender], dict[str, str]]:
    """Return the contenders of a folder, and what was left out with the reason.

    Args:
        folder: The artifact folder.
        exported: The export's parts.
        others: The variants by the name of their stage.
        against: Names from `options.Against`.
        threads: Threads of every contender.
        torch_gpu: Whether PyTorch can run on a GPU here; then it is also measured there, in each
            precision that something else runs in on the GPU.
    """
    graphs = {name: str(folder / part.file) for name, part in exported.items()}
    made: list[Contender] = []
    left: dict[str, str] = {}
    for name in against:
        kind = {"eager": "eager", "compile": "compile", "openvino": "openvino"}.get(name, "ort")
        label = EXPORTED if name == "ort" else name
        made.append(Contender(label, kind, graphs, str(folder), threads=threads))  # type: ignore[arg-type]
    for stage, record in sorted(others.items(), key=lambda item: not item[0].startswith("opt")):
        verb, _, variant = stage.partition(".")
        target, _, precision = variant.rpartition("-")
        files = {part: str(folder / about.file) for part, about in record.parts.items()}
        if verb == "build-engine":
            label = f"engine {variant}"
            made.append(
                Contender(label, "tensorrt", files, str(folder), precision, "cuda", threads)
            )
        elif target.startswith("tensorrt"):
            left[variant] = "made for the TensorRT builder; what runs is the engine"
        else:
            device = "cuda" if target == "ort-cuda" else "cpu"
            made.append(
                Contender(variant, "ort", files, str(folder), precision, device, threads)  # type: ignore[arg-type]
            )
    return [*made, *_on_gpu(made, graphs, str(folder), torch_gpu)], left


def _on_gpu(
    made: Sequence[Contender], graphs: Mapping[str, str], folder: str, torch_gpu: bool
) -> list[Contender]:
    """Return PyTorch on the GPU in the precisions of what it will be compared with there."""
    rivals = {c.precision for c in made if c.device == "cuda"}
    precisions = sorted(rivals & {"fp32", "fp16", "bf16"}) if torch_gpu else []
    return [
        Contender(f"eager cuda {precision}", "eager", graphs, folder, precision, "cuda")
        for precision in precisions
    ]


def file_contenders(files: Sequence[Path], part: str, threads: int) -> list[Contender]:
    """Return contenders for files that were named, told apart by as much of their path as needed.

    Raises:
        UsageError: a file is missing or of another kind.
    """
    made = []
    for path, name in zip(files, distinct_names(files), strict=True):
        if not path.is_file() or path.suffix not in (".onnx", *ENGINE_SUFFIXES):
            raise UsageError(
                f"{path} is no graph or engine that can be measured",
                where=str(path),
                fix="name .onnx and .plan files, or one artifact folder",
            )
        kind = "ort" if path.suffix == ".onnx" else "tensorrt"
        resolved = {part: str(path.resolve())}
        made.append(Contender(name, kind, resolved, str(path.parent), threads=threads))  # type: ignore[arg-type]
    return made
