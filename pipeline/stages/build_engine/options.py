"""What `pipeline build-engine` can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import UsageError
from pipeline.types import PRECISIONS

Backend = Literal["auto", "tensorrt", "tensorrt-rtx"]
Verbosity = Literal["layer_names_only", "detailed", "none"]
DEFAULT_TARGETS = "8.0,8.6,8.9,12.0"
_UNITS = {"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "KIB": 1 << 10, "MIB": 1 << 20,
          "GIB": 1 << 30}  # fmt: skip


@dataclass(frozen=True)
class BuildEngineOptions:
    """Everything that decides the plans.

    Attributes:
        source: An ONNX file, or an artifact folder whose tensorrt graphs are built.
        output: A folder, or a `.plan` file when the source is one graph.
        precision: Which variant of a folder to build; empty takes the only one, else fp32.
        backend: `auto` takes full TensorRT where a GPU answers, else TensorRT-RTX.
        compute_capabilities: GPUs the plan must run on, `8.0,8.9` or `sm80,sm89` (RTX only).
        min_shapes: `NAME:1x8,OTHER:1x8`, once per profile.
        opt_shapes: Likewise, the shapes to tune for.
        max_shapes: Likewise.
        dims: `NAME=MIN:OPT:MAX` for a named dim of the graph.
        profile_from: A file of real lengths: JSON `{"seq": [12, 40]}` or plain numbers.
        profile_count: Into how many profiles the lengths are divided.
        mem_pool_size: `workspace:4096` in MiB, or with a unit; empty for no limit.
        timing_cache_file: Read before and written after a build (full TensorRT).
        builder_optimization_level: 0 to 5, None for the builder's own.
        profiling_verbosity: How much the engine says of its layers.
        allow_weight_streaming: Let weights stay on the host at run time.
        tf32: Let float32 products round to TF32; off, since fp32 should mean fp32.
        require_fused_attention: Fail unless every attention has a dedicated kernel.
        check_attention: Ask the builder, per attention, whether it has one.
        reduce: Where to write the smallest graph that fails alike, if the build fails.
        timeout_s: Limit of one build, in seconds.
    """

    source: Path
    output: Path
    precision: str = ""
    backend: Backend = "auto"
    compute_capabilities: str = DEFAULT_TARGETS
    min_shapes: tuple[str, ...] = ()
    opt_shapes: tuple[str, ...] = ()
    max_shapes: tuple[str, ...] = ()
    dims: tuple[str, ...] = ()
    profile_from: Path | None = None
    profile_count: int = 1
    mem_pool_size: str = ""
    timing_cache_file: Path | None = None
    builder_optimization_level: int | None = None
    profiling_verbosity: Verbosity = "layer_names_only"
    allow_weight_streaming: bool = False
    tf32: bool = False
    require_fused_attention: bool = False
    check_attention: bool = True
    reduce: Path | None = None
    timeout_s: float = 7200.0

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        for name, allowed in (
            ("backend", get_args(Backend)),
            ("profiling_verbosity", get_args(Verbosity)),
            ("precision", ("", *PRECISIONS)),
        ):
            if getattr(self, name) not in allowed:
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}",
                    fix=f"choose one of {', '.join(filter(None, allowed))}",
                )
        level = self.builder_optimization_level
        if level is not None and not 0 <= level <= 5:
            raise UsageError(f"--builderOptimizationLevel is {level}", fix="0 to 5")
        if self.timeout_s <= 0:
            raise UsageError(f"--timeout is {self.timeout_s:g} s", fix="a positive number")
        if self.profile_count < 1:
            raise UsageError(f"--profiles is {self.profile_count}", fix="1 or more")
        if self.profile_from and (self.min_shapes or self.opt_shapes or self.max_shapes):
            raise UsageError(
                "--profile-from and --min/opt/maxShapes both define profiles", fix="use one"
            )
        parse_pool(self.mem_pool_size)

    @property
    def workspace_bytes(self) -> int | None:
        """Return the workspace limit in bytes, None for no limit."""
        return parse_pool(self.mem_pool_size)


def parse_pool(text: str) -> int | None:
    """Return bytes from trtexec's `workspace:4096` (MiB) or `workspace:2G`; None for empty.

    Raises:
        UsageError: The text is neither.
    """
    if not text:
        return None
    match = re.fullmatch(r"workspace:(\d+(?:\.\d+)?)([A-Za-z]*)", text.strip())
    if not match or match[2].upper() not in _UNITS:
        raise UsageError(f"--memPoolSize is {text!r}", fix="workspace:4096 (MiB) or workspace:2G")
    return int(float(match[1]) * _UNITS[match[2].upper()])
