"""The front door: every command of the command line as a function, and models in memory.

A command takes one frozen options dataclass and returns a typed result; the command line parses
its words into the same dataclass and calls the same function:

    from pipeline import OptimizeOptions, optimize_model
    optimize_model(OptimizeOptions(model=Path("model.onnx"), output=Path("fused.onnx")))

Each name loads its module when it is first used, so importing this loads no framework. `pipeline`
itself has the same names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.api.choosing import Choosing
    from pipeline.api.loaded import LoadedModel, load
    from pipeline.api.memory import Optimized, optimize
    from pipeline.artifacts import Artifact, Folder, open_folder
    from pipeline.doctor import Diagnosis, examine
    from pipeline.errors import (
        BadModelError,
        BuildError,
        ChangedModelError,
        ClaimError,
        EnvironmentMissingError,
        ExportError,
        FolderError,
        NoKernelsError,
        PipelineError,
        UnconfirmedCodeError,
        UsageError,
        ValueBranchError,
    )
    from pipeline.pack.options import PackOptions
    from pipeline.pack.stage import Bundle, pack_folder
    from pipeline.package.options import PackageOptions
    from pipeline.package.stage import Package, Packages, package_folder
    from pipeline.parity.options import ParityOptions
    from pipeline.parity.stage import compare_parity
    from pipeline.perf.options import PerfOptions
    from pipeline.perf.stage import measure_perf
    from pipeline.records.engine import EngineRecord
    from pipeline.records.explain import ExplainRecord, LoweringRecord
    from pipeline.records.export import ExportRecord
    from pipeline.records.optimize import OptimizedFileRecord, OptimizeRecord
    from pipeline.records.parity import ParityRecord, ParityResult
    from pipeline.records.perf import PerfRecord, PerfResult
    from pipeline.report.options import ReportOptions
    from pipeline.report.stage import Report, write_report
    from pipeline.run.options import RunOptions
    from pipeline.run.result import RunResult
    from pipeline.run.stage import run_pipeline
    from pipeline.serve.options import ServeOptions
    from pipeline.serve.server import serve_models
    from pipeline.stages.build_engine.options import BuildEngineOptions
    from pipeline.stages.build_engine.stage import build_engines
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model
    from pipeline.stages.optimize.explain import explain_model, list_lowerings
    from pipeline.stages.optimize.options import ExplainOptions, OptimizeOptions
    from pipeline.stages.optimize.stage import OptimizedFile, optimize_model
    from pipeline.tasks.classify import Classified, classify_texts
    from pipeline.tasks.embed import Embedded, embed_texts
    from pipeline.tasks.encode import Answers
    from pipeline.tasks.fill_mask import Filled, fill_masks
    from pipeline.tasks.options import (
        ClassifyOptions,
        EmbedOptions,
        GenerateOptions,
        RerankOptions,
        TextOptions,
    )
    from pipeline.tasks.rerank import Ranked, rerank_texts
    from pipeline.tasks.text import Generation, generate_texts
    from pipeline.tasks.translate import translate_texts
    from pipeline.types import Progress

# module below `pipeline` -> the names taken from it, in the order of work
_HOMES = {
    "api.choosing": ("Choosing",),
    "api.loaded": ("LoadedModel", "load"),
    "api.memory": ("Optimized", "optimize"),
    "doctor": ("Diagnosis", "examine"),
    "stages.export.options": ("ExportOptions",),
    "stages.export.stage": ("export_model",),
    "stages.optimize.options": ("ExplainOptions", "OptimizeOptions"),
    "stages.optimize.stage": ("OptimizedFile", "optimize_model"),
    "stages.optimize.explain": ("explain_model", "list_lowerings"),
    "stages.build_engine.options": ("BuildEngineOptions",),
    "stages.build_engine.stage": ("build_engines",),
    "parity.options": ("ParityOptions",),
    "parity.stage": ("compare_parity",),
    "perf.options": ("PerfOptions",),
    "perf.stage": ("measure_perf",),
    "report.options": ("ReportOptions",),
    "report.stage": ("Report", "write_report"),
    "pack.options": ("PackOptions",),
    "pack.stage": ("Bundle", "pack_folder"),
    "package.options": ("PackageOptions",),
    "package.stage": ("Package", "Packages", "package_folder"),
    "run.options": ("RunOptions",),
    "run.result": ("RunResult",),
    "run.stage": ("run_pipeline",),
    "tasks.options": (
        "ClassifyOptions", "EmbedOptions", "GenerateOptions", "RerankOptions", "TextOptions",
    ),
    "tasks.text": ("Generation", "generate_texts"),
    "tasks.translate": ("translate_texts",),
    "tasks.encode": ("Answers",),
    "tasks.embed": ("Embedded", "embed_texts"),
    "tasks.classify": ("Classified", "classify_texts"),
    "tasks.rerank": ("Ranked", "rerank_texts"),
    "tasks.fill_mask": ("Filled", "fill_masks"),
    "serve.options": ("ServeOptions",),
    "serve.server": ("serve_models",),
    "artifacts": ("Artifact", "Folder", "open_folder"),
    "records.export": ("ExportRecord",),
    "records.optimize": ("OptimizeRecord", "OptimizedFileRecord"),
    "records.explain": ("ExplainRecord", "LoweringRecord"),
    "records.engine": ("EngineRecord",),
    "records.parity": ("ParityRecord", "ParityResult"),
    "records.perf": ("PerfRecord", "PerfResult"),
    "types": ("Progress",),
    "errors": (
        "BadModelError", "BuildError", "ChangedModelError", "ClaimError", "EnvironmentMissingError",
        "ExportError", "FolderError", "NoKernelsError", "PipelineError", "UnconfirmedCodeError",
        "UsageError", "ValueBranchError",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # written out, since that is what editors and type checkers read
    "Answers",
    "Artifact",
    "BadModelError",
    "BuildEngineOptions",
    "BuildError",
    "Bundle",
    "ChangedModelError",
    "Choosing",
    "ClaimError",
    "Classified",
    "ClassifyOptions",
    "Diagnosis",
    "EmbedOptions",
    "Embedded",
    "EngineRecord",
    "EnvironmentMissingError",
    "ExplainOptions",
    "ExplainRecord",
    "ExportError",
    "ExportOptions",
    "ExportRecord",
    "Filled",
    "Folder",
    "FolderError",
    "GenerateOptions",
    "Generation",
    "LoadedModel",
    "LoweringRecord",
    "NoKernelsError",
    "OptimizeOptions",
    "OptimizeRecord",
    "Optimized",
    "OptimizedFile",
    "OptimizedFileRecord",
    "PackOptions",
    "Package",
    "PackageOptions",
    "Packages",
    "ParityOptions",
    "ParityRecord",
    "ParityResult",
    "PerfOptions",
    "PerfRecord",
    "PerfResult",
    "PipelineError",
    "Progress",
    "Ranked",
    "Report",
    "ReportOptions",
    "RerankOptions",
    "RunOptions",
    "RunResult",
    "ServeOptions",
    "TextOptions",
    "UnconfirmedCodeError",
    "UsageError",
    "ValueBranchError",
    "build_engines",
    "classify_texts",
    "compare_parity",
    "embed_texts",
    "examine",
    "explain_model",
    "export_model",
    "fill_masks",
    "generate_texts",
    "list_lowerings",
    "load",
    "measure_perf",
    "open_folder",
    "optimize",
    "optimize_model",
    "pack_folder",
    "package_folder",
    "rerank_texts",
    "run_pipeline",
    "serve_models",
    "translate_texts",
    "write_report",
]


if not TYPE_CHECKING:  # or a type checker would believe in any name

    def __getattr__(name: str) -> object:
        """Return one of the names in `__all__`, loading the module it lives in."""
        if name not in _HOME:
            raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
        return getattr(importlib.import_module(f"pipeline.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the names, for completion in a notebook."""
    return __all__
