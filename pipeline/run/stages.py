"""The stages a run goes through, in order, and how each is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# stage -> (module of its options, options class, module of its function, function)
_WHERE = {
    "export": ("pipeline.stages.export", "ExportOptions", "export_model"),
    "optimize": ("pipeline.stages.optimize", "OptimizeOptions", "optimize_model"),
    "build-engine": ("pipeline.stages.build_engine", "BuildEngineOptions", "build_engines"),
    "parity": ("pipeline.parity", "ParityOptions", "compare_parity"),
    "perf": ("pipeline.perf", "PerfOptions", "measure_perf"),
    "report": ("pipeline.report", "ReportOptions", "write_report"),
}
STAGES: tuple[str, ...] = tuple(_WHERE)


def options_class(stage: str) -> Any:
    """Return the options dataclass of a stage; loads no framework."""
    package, name, _ = _WHERE[stage]
    return getattr(importlib.import_module(f"{package}.options"), name)


def function_of(stage: str) -> Callable[..., Any]:
    """Return the function of a stage, loading its module."""
    package, _, name = _WHERE[stage]
    found: Callable[..., Any] = getattr(importlib.import_module(f"{package}.stage"), name)
    return found
