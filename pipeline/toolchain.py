"""What this machine and its Python have, found without importing a framework."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.records.machine import Machine

DISTRIBUTION = "transformer-pipeline"


@dataclass(frozen=True)
class Library:
    """A library the toolkit can use.

    Attributes:
        name: Of the distribution.
        purpose: What it is used for here.
        extra: The extra that installs it; empty for what every installation has.
        version: Installed version, empty if it is absent.
        wanted: The versions we ask for, such as `<2.14,>=2.11`; empty for any.
    """

    name: str
    purpose: str
    extra: str
    version: str
    wanted: str


# distribution -> (what for, extra); in the order a reader meets them
_PURPOSES = {
    "torch": ("models, export, the reference", ""),
    "transformers": ("Hugging Face checkpoints, text generation", ""),
    "onnx": ("the file format", ""),
    "onnx-ir": ("reading and rewriting graphs", ""),
    "onnxscript": ("torch's exporter", ""),
    "onnxruntime": ("running graphs on the CPU", "cpu"),
    "onnxruntime-gpu": ("running graphs with CUDA", "gpu"),
    "tensorrt-rtx-cu13": ("building engines without a GPU, running them with one", "rtx"),
    "tensorrt": ("building and running engines on this machine's GPU", "tensorrt"),
    "polygraphy": ("reducing a failing engine to a small model", "rtx"),
    "openvino": ("a contender in perf", "openvino"),
    "starlette": ("serving over HTTP", "serve"),
    "uvicorn": ("serving over HTTP", "serve"),
}


def libraries() -> tuple[Library, ...]:
    """Return what we can use, with the versions that are installed."""
    wanted = requirements()
    return tuple(
        Library(name, purpose, extra, version_of(name), wanted.get(name, ""))
        for name, (purpose, extra) in _PURPOSES.items()
    )


def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, empty if it is absent."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def requirements() -> dict[str, str]:
    """Return the version ranges this package asks for, by distribution, from its metadata."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    parsed = (re.match(r"([\w.-]+)(?:\[.*?\])?\s*([^;]*)", line) for line in lines)
    return {match[1].lower(): match[2].strip() for match in parsed if match}


def install_hint(extra: str) -> str:
    """Return the command that installs what an extra of this package stands for."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        lines = []
    named = [line.partition(";")[0].strip() for line in lines if f'"{extra}"' in line]
    packages = " ".join(f"'{name}'" for name in named if not name.startswith(DISTRIBUTION))
    return f"pip install {packages} (the extra `{extra}`)" if packages else f"install {extra}"


def within(version: str, wanted: str) -> bool:
    """Return whether a version lies in a range such as `<2.14,>=2.11`."""
    mine = _numbers(version)
    for part in filter(None, wanted.split(",")):
        match = re.match(r"\s*(<=|>=|==|<|>)\s*([\d.]+)", part)
        if not match:
            continue
        bound = _numbers(match[2])
        ours = mine[: len(bound)] if match[1] in ("==", "<=") else mine
        fits = {
            "<": ours < bound,
            "<=": ours <= bound,
            ">": ours > bound,
            ">=": ours >= bound,
            "==": ours == bound,
        }
        if not fits[match[1]]:
            return False
    return True


def machine() -> Machine:
    """Return what this machine is, as far as results depend on it."""
    import psutil

    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=_cpu(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
    )


def usable_cores() -> int:
    """Return the logical cores this process may run on."""
    import psutil

    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # macOS has none
        return len(process.cpu_affinity())
    return os.cpu_count() or 1


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version.split("+")[0]))


def _cpu() -> str:
    try:
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or "unknown"
