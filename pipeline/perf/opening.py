"""Opens what a contender describes; runs inside its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.open import load_runtime, open_runner

if TYPE_CHECKING:
    from pipeline.perf.contender import Contender

TORCH_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def open_contender(contender: Contender) -> dict[str, Runner]:
    """Return a runner for each part.

    Raises:
        EnvironmentMissingError: its runtime, provider or device is absent.
    """
    if contender.kind in ("eager", "compile"):
        return _open_torch(contender)
    files = {part: Path(file) for part, file in contender.files.items()}
    if contender.kind == "openvino":
        module = load_runtime("pipeline.stages.runners.openvino_runner", "openvino")
        return {part: module.OpenvinoRunner(f, contender.threads) for part, f in files.items()}
    return {
        part: open_runner(file, device=contender.device, threads=contender.threads)
        for part, file in files.items()
    }


def _open_torch(contender: Contender) -> dict[str, Runner]:
    from pipeline.artifacts import open_folder
    from pipeline.artifacts.folder import MAKE_IT
    from pipeline.records.export import ExportRecord
    from pipeline.stages.export.load import reload_parts
    from pipeline.stages.runners.torch_runner import TorchOptions, TorchRunner

    options = TorchOptions(
        dtype=TORCH_TYPES[contender.precision],  # type: ignore[arg-type]
        device=contender.device,
        threads=contender.threads,
        compiled=contender.kind == "compile",
    )
    folder = open_folder(contender.folder)
    exported = ExportRecord.of(folder.require("export", MAKE_IT))
    return {
        part.name: TorchRunner(part.module, tuple(part.inputs), part.outputs, options)
        for part in reload_parts(exported.model, folder.path).parts
    }


def prepared(runner: Runner, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
    """Return a call that runs on these inputs, bound to the device where the runner can."""
    bind = getattr(runner, "prepare", None)
    if bind is not None:
        call: Callable[[], None] = bind(feeds)
        return call

    def run() -> None:
        runner.run(feeds)

    return run
