"""What the engine builder says: plans, the sizes they take, and kernels of their attentions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

from pipeline.records.record import Finite, Place, Record
from pipeline.records.tensors import TensorSpec

Shape: TypeAlias = tuple[int, ...]


class ShapeRange(NamedTuple):
    """The smallest, the favoured and the largest shape of one input."""

    min: Shape
    opt: Shape
    max: Shape


@dataclass(frozen=True)
class AttentionRow:
    """One attention of a network.

    Attributes:
        name: The layer's name, which the parser takes from the ONNX node.
        dtype: Of the queries.
        query: Shape [batch, heads, length, head size], -1 where dynamic.
        key: Shape of the keys.
        mask: Shape and dtype in words, empty without one.
        causal: Whether the operator itself masks the future.
        dedicated: Whether a dedicated kernel exists; None when that was not asked.
        reason: Why not, or what hindered the check.
    """

    name: str
    dtype: str
    query: Shape
    key: Shape
    mask: str
    causal: bool
    dedicated: bool | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class EnginePart:
    """One plan.

    Attributes:
        file: Where it lies.
        flavour, version: What built it.
        targets: Compute capabilities it was built for.
        tf32: Whether float32 products may round to TF32.
        decomposable: Whether an attention without a dedicated kernel may fall apart.
        profiles: Shapes by input, one mapping per optimization profile.
        inputs, outputs: As TensorRT understood them; -1 is a size that changes.
        attention: The network's attentions.
        layers: Of the network.
        plan_bytes, plan_sha256: Of the file.
        build_seconds: The build took.
        build_peak_rss_bytes: Highest resident memory of the builder.
        activation_bytes, weights_bytes, scratch_bytes: Memory the builder named; None where it
            did not.
    """

    file: Place
    flavour: str
    version: str
    targets: tuple[str, ...]
    tf32: bool
    decomposable: bool
    profiles: tuple[Mapping[str, ShapeRange], ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    attention: tuple[AttentionRow, ...]
    layers: int
    plan_bytes: int
    plan_sha256: str
    build_seconds: Finite
    build_peak_rss_bytes: int
    activation_bytes: int | None = None
    weights_bytes: int | None = None
    scratch_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class EngineRecord(Record):
    """The facts of a stage `build-engine.<variant>`.

    Attributes:
        variant: Of the graphs it was built from; None for a single plan.
        targets: Compute capabilities.
        parts: The plans by the name of their part.

    Examples:
        >>> from pipeline import BuildEngineOptions, EngineRecord, build_engines
        >>> sizes = {"batch": (1, 2, 4), "sequence": (1, 16, 32)}
        >>> options = BuildEngineOptions(
        ...     "model.onnx", "model.plan", compute_capabilities=("8.9",), dims=sizes
        ... )
        >>> EngineRecord.of(build_engines(options)).parts["model"].targets
        ('8.9',)
    """

    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "build-engine"

    variant: str | None = None
    targets: tuple[str, ...]
    parts: Mapping[str, EnginePart]
