"""What can be done on this machine, tried rather than assumed, and what to install for the rest."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass

from pipeline.builder.targets import RTX_TARGETS
from pipeline.errors import PipelineError
from pipeline.notebook import Grid, Shown
from pipeline.records.machine import Machine
from pipeline.tensorrt_api import Flavour, Gpu, find_gpu, load, wheel_version
from pipeline.toolchain import Library, install_hint, libraries, machine, within
from pipeline.types import SILENT, Json, Progress


@dataclass(frozen=True)
class Ability:
    """One thing a user may want to do.

    Attributes:
        name: In words.
        able: Whether it works here.
        detail: With what it works, or what is in the way.
        fix: What would make it work; empty if it does.
    """

    name: str
    able: bool
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Diagnosis(Shown):
    """Everything `pipeline doctor` found.

    Examples:
        >>> from pipeline import examine
        >>> [ability.able for ability in examine().abilities if "graphs on the CPU" in ability.name]
        [True]
    """

    machine: Machine
    gpu: Gpu | None
    libraries: tuple[Library, ...]
    abilities: tuple[Ability, ...]

    def grids(self) -> list[Grid]:
        """Return a table of what works here, for a notebook."""
        rows = [
            ("yes" if item.able else "no", item.name, item.detail, item.fix)
            for item in self.abilities
        ]
        gpu = self.gpu.name if self.gpu else "no GPU"
        return [
            Grid(
                f"{self.machine.cpu}, {gpu}",
                ("works", "what", "with, or what is in the way", "to do"),
                rows,
            )
        ]

    def to_json(self) -> dict[str, Json]:
        """Return the diagnosis as plain data."""
        return asdict(self)


def examine(progress: Progress = SILENT) -> Diagnosis:
    """Return what this machine has and what works on it; each ability is tried for real.

    Examples:
        >>> from pipeline import examine
        >>> for ability in examine().abilities:  # doctest: +ELLIPSIS
        ...     print(ability.name, ability.able, ability.fix)
        export models, compare with PyTorch True ...
    """
    found = libraries()
    gpu = find_gpu()
    abilities = []
    for check in _CHECKS:
        progress.step(f"trying {check.__name__.removeprefix('_').replace('_', ' ')}")
        abilities.append(check(found, gpu))
    return Diagnosis(machine(), gpu, found, tuple(abilities))


def _export(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether models can be exported and compared with PyTorch."""
    name = "export models, compare with PyTorch"
    needed = [lib for lib in found if lib.name in ("torch", "transformers", "onnx", "onnxscript")]
    for lib in needed:
        if not lib.version:
            return Ability(name, False, f"{lib.name} is absent", f"pip install {lib.name}")
        if not within(lib.version, lib.wanted):
            return Ability(
                name,
                False,
                f"{lib.name} {lib.version} is outside {lib.wanted}",
                f"pip install '{lib.name}{lib.wanted}'",
            )
    return Ability(name, True, ", ".join(f"{lib.name} {lib.version}" for lib in needed[:2]))


def _graphs_on_the_cpu(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether ONNX Runtime runs graphs on the CPU."""
    name = "run graphs on the CPU (ONNX Runtime)"
    providers, problem = _providers()
    if "CPUExecutionProvider" in providers:
        return Ability(name, True, f"onnxruntime {_runtime_version(found)}")
    return Ability(name, False, problem, install_hint("cpu"))


def _graphs_on_a_gpu(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether ONNX Runtime runs graphs with CUDA."""
    name = "run graphs with CUDA (ONNX Runtime)"
    providers, problem = _providers()
    if "CUDAExecutionProvider" not in providers:
        detail = problem or "the installed onnxruntime has no CUDA provider"
        return Ability(name, False, detail, install_hint("gpu") + _needs_gpu(gpu))
    if gpu is None:
        return Ability(name, False, _NO_GPU, _GPU_FIX)
    return Ability(name, True, f"onnxruntime-gpu {_runtime_version(found)} on {gpu.name}")


def _rtx_engines(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether TensorRT-RTX engines can be built, which needs no GPU."""
    name = "build TensorRT-RTX engines (needs no GPU)"
    problem = _bindings("tensorrt-rtx")
    if problem:
        return Ability(name, False, problem, install_hint("rtx"))
    targets = ", ".join(RTX_TARGETS)
    version = wheel_version("tensorrt-rtx")
    return Ability(name, True, f"{version}, for compute capability {targets}")


def _tensorrt_engines(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether full TensorRT engines can be built, which needs the GPU they are for."""
    name = "build TensorRT engines for this machine's GPU"
    problem = _bindings("tensorrt")
    if problem:
        return Ability(name, False, problem, install_hint("tensorrt") + _needs_gpu(gpu))
    if gpu is None:
        return Ability(name, False, _NO_GPU, _GPU_FIX)
    return Ability(name, True, f"{wheel_version('tensorrt')} on {gpu.name}")


def _engines_running(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether engines can be run here."""
    name = "run engines"
    flavours: tuple[Flavour, ...] = ("tensorrt", "tensorrt-rtx")
    loaded = [flavour for flavour in flavours if not _bindings(flavour)]
    if gpu is None:
        fix = "on a GPU machine run what `pipeline pack DIR -o bundle.tar` writes"
        return Ability(name, False, _NO_GPU, fix)
    if not loaded:
        return Ability(name, False, "no TensorRT bindings", install_hint("rtx"))
    return Ability(name, True, f"{', '.join(loaded)} on {gpu.name} ({gpu.compute_capability})")


def _openvino(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether OpenVINO can be measured against."""
    name = "measure against OpenVINO"
    if importlib.util.find_spec("openvino") is None:
        return Ability(name, False, "openvino is absent", install_hint("openvino"))
    version = next(lib.version for lib in found if lib.name == "openvino")
    return Ability(name, True, f"openvino {version}")


def _serving(found: tuple[Library, ...], gpu: Gpu | None) -> Ability:
    """Say whether artifacts can be served."""
    name = "serve over HTTP"
    needed = ("starlette", "uvicorn", "prometheus_client")
    absent = [one for one in needed if importlib.util.find_spec(one) is None]
    if absent:
        return Ability(name, False, f"{', '.join(absent)} absent", install_hint("serve"))
    return Ability(name, True, "as OpenAI's clients ask")


_CHECKS: tuple[Callable[[tuple[Library, ...], Gpu | None], Ability], ...] = (
    _export,
    _graphs_on_the_cpu,
    _graphs_on_a_gpu,
    _rtx_engines,
    _tensorrt_engines,
    _engines_running,
    _openvino,
    _serving,
)
_NO_GPU = "no NVIDIA GPU answers here"
_GPU_FIX = "use a machine with an NVIDIA GPU and its driver"


def _needs_gpu(gpu: Gpu | None) -> str:
    return "" if gpu else ", on a machine with an NVIDIA GPU"


def _bindings(flavour: Flavour) -> str:
    """Return what keeps a TensorRT flavour from loading; empty if it loads."""
    try:
        load(flavour)
    except PipelineError as error:
        return error.what
    return ""


def _providers() -> tuple[list[str], str]:
    """Return ONNX Runtime's providers, and what keeps it from loading."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        return [], f"onnxruntime does not load: {error}"
    return list(runtime.get_available_providers()), ""


def _runtime_version(found: tuple[Library, ...]) -> str:
    names = ("onnxruntime", "onnxruntime-gpu")
    return next((lib.version for lib in found if lib.name in names and lib.version), "unknown")
