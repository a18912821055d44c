"""What `pipeline build-engine` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.builder.shapes import check_shape, dim_range
from pipeline.builder.targets import ordered_targets
from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.records.engine import Shape
from pipeline.records.tensors import SizeRange
from pipeline.types import Precision

Backend = Literal["auto", "tensorrt", "tensorrt-rtx"]
Verbosity = Literal["layer_names_only", "detailed", "none"]
LEAST_WORKSPACE = 1 << 20
DEFAULT_TARGETS = ("8.0", "8.6", "8.9", "12.0")


@dataclass(frozen=True)
class BuildEngineOptions:
    """Everything that decides the plans.

    Attributes:
        model: An ONNX file, or an artifact folder whose tensorrt graphs are built.
        output: A folder, or a `.plan` file when the model is one graph.
        precision: Which variant of a folder to build; None takes the only one, else fp32.
        backend: `auto` takes full TensorRT where a GPU answers, else TensorRT-RTX.
        compute_capabilities: GPUs the plan must run on, such as 8.0 or sm80 (RTX only).
        min_shapes: The smallest shape of each input, once per profile.
        opt_shapes: Likewise, the shapes to tune for.
        max_shapes: Likewise, the largest.
        dims: The range of a named dim of the graph: its value, or smallest, favoured and largest.
        profile_from: A file of real lengths: JSON `{"seq": [12, 40]}` or plain numbers.
        profile_count: Into how many profiles the lengths are divided.
        workspace_bytes: Limit of the builder's scratch memory, in bytes; None for no limit.
        timing_cache_file: Read before and written after a build (full TensorRT).
        builder_optimization_level: 0 to 5, None for the builder's own.
        profiling_verbosity: How much the engine says of its layers.
        allow_weight_streaming: Let weights stay on the host at run time.
        tf32: Let float32 products round to TF32; off, since fp32 should mean fp32.
        require_fused_attention: Fail unless every attention has a dedicated kernel.
        check_attention: Ask the builder, per attention, whether it has one.
        reduce: Where to write the smallest graph that fails alike, if the build fails.
        timeout_s: Limit of one build, in seconds.

    Examples:
        >>> from pipeline import BuildEngineOptions
        >>> options = BuildEngineOptions(
        ...     "model.onnx",
        ...     "model.plan",
        ...     compute_capabilities=("sm89", "8.0"),
        ...     dims={"batch": (1, 4, 8), "seq": 128},
        ... )
        >>> options.compute_capabilities
        ('8.0', '8.9')
        >>> options.ranges()["batch"].opt
        4
    """

    model: Path
    output: Path
    precision: Precision | None = None
    backend: Backend = "auto"
    compute_capabilities: tuple[str, ...] = DEFAULT_TARGETS
    min_shapes: tuple[Mapping[str, Shape], ...] = ()
    opt_shapes: tuple[Mapping[str, Shape], ...] = ()
    max_shapes: tuple[Mapping[str, Shape], ...] = ()
    dims: Mapping[str, int | tuple[int, int] | tuple[int, int, int]] = field(default_factory=dict)
    profile_from: Path | None = None
    profile_count: int = 1
    workspace_bytes: int | None = None
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
        settle(self)
        object.__setattr__(self, "compute_capabilities", ordered_targets(self.compute_capabilities))
        for shapes in (*self.min_shapes, *self.opt_shapes, *self.max_shapes):
            for name, shape in shapes.items():
                check_shape(name, shape)
        self.ranges()
        level = self.builder_optimization_level
        if level is not None and not 0 <= level <= 5:
            raise UsageError(f"--builderOptimizationLevel is {level}", fix="0 to 5")
        if self.timeout_s <= 0:
            raise UsageError(f"--timeout is {self.timeout_s:g} s", fix="a positive number")
        if self.profile_count < 1:
            raise UsageError(f"--profiles is {self.profile_count}", fix="1 or more")
        if self.workspace_bytes is not None and self.workspace_bytes < LEAST_WORKSPACE:
            raise UsageError(
                f"a workspace of {self.workspace_bytes} bytes builds nothing",
                where="--memPoolSize",
                fix="workspace:4096 is in MiB, 4GiB says so itself",
            )
        if self.profile_from and (self.min_shapes or self.opt_shapes or self.max_shapes):
            raise UsageError(
                "--profile-from and --min/opt/maxShapes both define profiles", fix="use one"
            )

    def ranges(self) -> dict[str, SizeRange]:
        """Return `dims` with smallest, favoured and largest value spelled out.

        Raises:
            UsageError: The numbers of one do not ascend.
        """
        return {name: dim_range(name, values) for name, values in self.dims.items()}
