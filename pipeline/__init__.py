"""From a PyTorch transformer to a fused ONNX graph and a TensorRT engine, with proof.

Every stage is a function that takes a frozen options dataclass and returns an Artifact:

    from pipeline import OptimizeOptions, optimize_model
    optimize_model(OptimizeOptions(model=Path("model.onnx"), output=Path("out")))

The names below load their modules when they are first used, so `import pipeline` loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact, Folder, open_folder
    from pipeline.doctor import examine
    from pipeline.parity.options import ParityOptions
    from pipeline.parity.stage import compare_parity
    from pipeline.perf.options import PerfOptions
    from pipeline.perf.stage import measure_perf
    from pipeline.report.options import ReportOptions
    from pipeline.report.stage import write_report
    from pipeline.run.options import RunOptions
    from pipeline.run.stage import run_pipeline
    from pipeline.stages.build_engine.options import BuildEngineOptions
    from pipeline.stages.build_engine.stage import build_engines
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model
    from pipeline.stages.optimize.explain import explain_model
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "BuildEngineOptions",
    "ExportOptions",
    "Folder",
    "OptimizeOptions",
    "ParityOptions",
    "PerfOptions",
    "ReportOptions",
    "RunOptions",
    "__version__",
    "build_engines",
    "compare_parity",
    "examine",
    "explain_model",
    "export_model",
    "measure_perf",
    "open_folder",
    "optimize_model",
    "run_pipeline",
    "write_report",
]

_HOMES = {
    "Artifact": "artifacts",
    "Folder": "artifacts",
    "open_folder": "artifacts",
    "BuildEngineOptions": "stages.build_engine.options",
    "build_engines": "stages.build_engine.stage",
    "examine": "doctor",
    "ExportOptions": "stages.export.options",
    "export_model": "stages.export.stage",
    "explain_model": "stages.optimize.explain",
    "OptimizeOptions": "stages.optimize.options",
    "optimize_model": "stages.optimize.stage",
    "ParityOptions": "parity.options",
    "compare_parity": "parity.stage",
    "PerfOptions": "perf.options",
    "measure_perf": "perf.stage",
    "ReportOptions": "report.options",
    "write_report": "report.stage",
    "RunOptions": "run.options",
    "run_pipeline": "run.stage",
}


def __getattr__(name: str) -> object:
    """Return one of the names in `__all__`, loading the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pipeline.{_HOMES[name]}"), name)
