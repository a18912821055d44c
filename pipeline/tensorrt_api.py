"""The TensorRT bindings: which are installed, what they can do here, and what we use of them.

One code path serves `tensorrt` 10 and 11 and `tensorrt_rtx`. The two differ in few names, so
`hasattr` tells them apart; `USED` lists every name this toolkit touches, and `missing` checks
an installation against it before a build fails half-way with an AttributeError.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Literal

from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.toolchain import install_hint

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
Flavour = Literal["tensorrt", "tensorrt-rtx"]
MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_WHEELS: dict[Flavour, tuple[str, ...]] = {
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "tensorrt-rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
}

USED: dict[str, tuple[str, ...]] = {
    "": (
        "Builder", "BuilderFlag", "DataType", "ICudaEngine", "IExecutionContext", "ILogger",
        "IProgressMonitor", "LayerType", "MemoryPoolType", "OnnxParser", "ProfilingVerbosity",
        "Runtime", "TensorIOMode", "AttentionNormalizationOp", "IAttentionInputLayer",
    ),
    "Builder": ("create_builder_config", "create_network", "create_optimization_profile",
                "build_serialized_network"),
    "BuilderFlag": ("TF32", "WEIGHT_STREAMING"),
    "IBuilderConfig": ("add_optimization_profile", "builder_optimization_level", "clear_flag",
                       "create_timing_cache", "get_timing_cache", "progress_monitor",
                       "profiling_verbosity", "set_flag", "set_memory_pool_limit",
                       "set_timing_cache"),
    "INetworkDefinition": ("add_input", "get_input", "get_layer", "get_output", "mark_output",
                           "num_inputs", "num_layers", "num_outputs"),
    "IAttention": ("decomposable", "get_input", "get_output", "mask", "name"),
    "AttentionNormalizationOp": ("SOFTMAX",),
    "DataType": ("BF16", "BOOL", "FLOAT", "HALF"),
    "LayerType": ("ATTENTION_INPUT",),
    "ProfilingVerbosity": ("DETAILED", "LAYER_NAMES_ONLY", "NONE"),
    "TensorIOMode": ("INPUT",),
    "IAttentionInputLayer": ("attention",),
    "IOptimizationProfile": ("set_shape",),
    "OnnxParser": ("get_error", "num_errors", "parse_from_file"),
    "ParserError": ("code", "desc", "node", "node_name", "node_operator"),
    "MemoryPoolType": ("WORKSPACE",),
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": ("create_execution_context", "get_tensor_dtype", "get_tensor_mode",
                    "get_tensor_name", "get_tensor_profile_shape", "get_tensor_shape",
                    "num_io_tensors", "num_optimization_profiles"),
    "IExecutionContext": ("execute_async_v3", "get_tensor_shape", "set_input_shape",
                          "set_optimization_profile_async", "set_tensor_address"),
}  # fmt: skip
"""Every name of the bindings that our code needs, by class; `` is the module itself."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    "": ("CausalMaskKind", "ComputeCapability", "IStreamWriter", "NetworkDefinitionCreationFlag"),
    "Builder": ("build_serialized_network_to_stream",),
    "IBuilderConfig": ("num_compute_capabilities", "set_compute_capability"),
    "INetworkDefinition": ("add_attention", "add_attention_v2"),
    "IAttention": ("causal", "causal_kind"),
    "ICudaEngine": ("create_runtime_config",),
    "IRuntimeConfig": ("create_runtime_cache", "cuda_graph_strategy", "set_runtime_cache"),
    "IRuntimeCache": ("deserialize", "serialize"),
}
"""Names used only behind `hasattr`: they belong to one flavour or to newer releases."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU the driver answers for."""

    name: str
    compute_capability: str
    driver: str


def installed() -> tuple[Flavour, ...]:
    """Return the flavours whose bindings can be imported, found without importing them."""
    return tuple(f for f, m in MODULES.items() if importlib.util.find_spec(m) is not None)


def wheel_version(flavour: Flavour) -> str:
    """Return the installed version of a flavour, `` when its wheel is not known."""
    for wheel in _WHEELS[flavour]:
        try:
            return metadata.version(wheel)
        except metadata.PackageNotFoundError:
            continue
    return ""


def choose(backend: str) -> Flavour:
    """Return the flavour to use for `auto`, `tensorrt` or `tensorrt-rtx`.

    Full TensorRT tunes on the GPU it builds for, so `auto` takes it only where a GPU answers.

    Raises:
        UsageError: The backend's name is unknown.
        EnvironmentMissingError: The bindings are not installed.
    """
    if backend not in ("auto", *MODULES):
        raise UsageError(f"unknown backend {backend!r}", fix="auto, tensorrt or tensorrt-rtx")
    present = installed()
    if backend != "auto":
        wanted: Flavour = "tensorrt" if backend == "tensorrt" else "tensorrt-rtx"
        if wanted not in present:
            raise EnvironmentMissingError(
                f"the bindings of {wanted} are not installed",
                where=f"module {MODULES[wanted]}",
                fix=_install(),
            )
        return wanted
    if "tensorrt" in present and (find_gpu() is not None or "tensorrt-rtx" not in present):
        return "tensorrt"
    if "tensorrt-rtx" in present:
        return "tensorrt-rtx"
    raise EnvironmentMissingError("no TensorRT bindings are installed", fix=_install())


def _install() -> str:
    return f"{install_hint('rtx')}, which builds without a GPU; or {install_hint('tensorrt')}"


def load(flavour: Flavour) -> ModuleType:
    """Return the imported bindings of a flavour, with every name of `USED` present.

    Raises:
        EnvironmentMissingError: They do not import, or lack names we need.
    """
    try:
        trt = importlib.import_module(MODULES[flavour])
    except (ImportError, OSError) as err:
        raise EnvironmentMissingError(
            f"the bindings of {flavour} do not load: {err}", fix=_install()
        ) from err
    gaps = missing(trt)
    if gaps:
        version = getattr(trt, "__version__", "?")
        raise EnvironmentMissingError(
            f"{flavour} {version} lacks {', '.join(gaps[:6])}",
            fix="install TensorRT 10.14 or newer: older ones have no attention operator",
        )
    return trt


def missing(trt: ModuleType) -> tuple[str, ...]:
    """Return the names of `USED` that these bindings lack, as `Class.name`."""
    gaps = []
    for owner, names in USED.items():
        holder = getattr(trt, owner, None) if owner else trt
        gaps += [f"{owner}.{n}".lstrip(".") for n in names if not hasattr(holder, n)]
    return tuple(gaps)


def find_gpu() -> Gpu | None:
    """Return the first GPU through the CUDA driver, or None when no driver answers."""
    try:
        cuda = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    count, device, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    if cuda.cuDeviceGet(ctypes.byref(device), 0):
        return None
    name = ctypes.create_string_buffer(128)
    cuda.cuDeviceGetName(name, 128, device)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    major, minor = (_attribute(cuda, device, kind) for kind in (75, 76))
    return Gpu(
        name=name.value.decode(errors="replace"),
        compute_capability=f"{major}.{minor}",
        driver=f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def _attribute(cuda: ctypes.CDLL, device: ctypes.c_int, kind: int) -> int:
    """Return one CUdevice_attribute; 75 and 76 are the compute capability's halves."""
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), kind, device)
    return value.value
