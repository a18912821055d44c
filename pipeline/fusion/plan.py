"""The plan: every construct in the order it is looked for, and what lowers it for a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.fusion import (
    activation,
    attention,
    linear,
    norm,
    packing,
    rotary,
    rotary_repair,
    softmax,
)
from pipeline.fusion.construct import Choice, Construct, Pass
from pipeline.fusion.lowering import Lowering
from pipeline.fusion.ort import (
    bias_gelu,
    embedding_norm,
    in_place,
    packed_attention,
    residual_norm,
    rotary_attention,
)
from pipeline.graph.normalise.contrib import SOFT_CAPPED
from pipeline.ort.known_crashes import HALF
from pipeline.ort.settings import SessionSettings
from pipeline.types import Method

MS = "com.microsoft"

CONSTRUCTS: tuple[Construct, ...] = (
    # packed projections first: everything after them reads the pieces' layouts
    packing.passes,
    # written-out softmaxes: attention anchors only on the operator
    softmax.passes,
    # norms of queries and keys, before the operands of attention are read
    norm.passes,
    # formulas of one tensor, like norms, which may be part of none of the following
    activation.passes,
    # rotations before attention, which then reads their results as operands
    rotary.passes,
    rotary_repair.passes,
    attention.passes,
    # from here on what one runtime has operators for: caches of fixed size, whose attention is
    # an operator by now; then what stands before it, the nearest first
    in_place.passes,
    rotary_attention.passes,
    packed_attention.passes,
    # what joins operators comes last: embeddings before residual sums, which they end with
    embedding_norm.passes,
    bias_gelu.passes,
    residual_norm.passes,
    # rounding last of all: everything above reads the weights as they were stored
    linear.passes,
)


@dataclass(frozen=True)
class Plan:
    """What a target's passes need: the lowest opset, and settings of the runtime.

    Attributes:
        opset: The ai.onnx opset the graph is raised to.
        keep: Operators, (domain, name), and forms of them that the target runs as they are.
        session: Settings written beside the graph for ONNX Runtime.
        passes: In order.
    """

    opset: int
    keep: frozenset[tuple[str, str]]
    session: SessionSettings
    passes: tuple[Pass, ...]


# The rest is lowered anew, also here: SkipLayerNormalization is slow on CPU, and what an older
# optimizer joined may be part of something larger.
_KEPT: frozenset[tuple[str, str]] = frozenset(
    {("", "Attention")}
    | {(MS, name) for name in ("Attention", "MultiHeadAttention", "GroupQueryAttention")}
    | {(MS, name) for name in ("RotaryEmbedding", "FusedMatMul")}
)
# The parser of TensorRT takes the plain form of Attention alone, and nothing of com.microsoft. A
# soft-capped Attention is 4 to 6 times slower on CPU than the plain nodes it stands for.
_KEPT_BY = {
    "onnx": frozenset({("", "Attention"), SOFT_CAPPED}),
    "ort-cpu": _KEPT,
    "ort-cuda": _KEPT | {SOFT_CAPPED},
}

# Denormals inside masked softmaxes cost 1.3 to 1.8 times; ONNX Runtime's own SkipLayerNorm
# fusion makes Add + LayerNormalization 2 to 5 times slower on CPU.
_CPU_SESSION = SessionSettings(("SkipLayerNormFusion",), denormals="flush")


def passes_for(choice: Choice) -> tuple[Pass, ...]:
    """Return every pass in order, each with the lowerings that serve the target."""
    return tuple(
        replace(one, lowerings=tuple(x for x in one.lowerings if choice.target in x.targets))
        for construct in CONSTRUCTS
        for one in construct(choice)
    )


def constructs() -> tuple[str, ...]:
    """Return the names of all constructs, in the order in which they are looked for."""
    passes = passes_for(Choice("onnx", precision="int8"))  # it chooses lowerings; rounding is one
    return tuple(dict.fromkeys(one.name for one in passes))


def lowerings_for(
    target: str, *, fuse_all: bool = False, precision: str | None = None
) -> dict[str, tuple[Lowering[Any], ...]]:
    """Return every lowering that serves the target, by construct, in order of preference.

    Args:
        target: The target.
        fuse_all: Also what measures slower fused.
        precision: What the graph is typed or rounded to.
    """
    found: dict[str, tuple[Lowering[Any], ...]] = {}
    for one in passes_for(Choice(target, fuse_all, precision)):
        found[one.name] = found.get(one.name, ()) + one.lowerings
    return found


def plan_for(
    target: str,
    disable: tuple[str, ...] = (),
    *,
    fuse_all: bool = False,
    precision: str | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    method: Method = "rtn",
) -> Plan:
    """Return the passes for a target, and the settings its runtime needs in a precision.

    Args:
        target: The target.
        disable: Names of lowerings to leave out.
        fuse_all: Also what measures slower fused.
        precision: What the graph is typed or rounded to; None keeps its types.
        inputs: Real inputs by name, where the form of a rounding depends on values.
        method: How weights of 4 bits are rounded.

    Raises:
        UsageError: `disable` names a lowering that does not exist.
    """
    passes = passes_for(Choice(target, fuse_all, precision, inputs, method))
    names = {x.name for one in passes for x in one.lowerings}
    if unknown := [name for name in disable if name not in names]:
        raise UsageError(
            f"--disable {unknown[0]!r}: there is no such lowering for {target}",
            fix=f"one of {', '.join(sorted(names))}",
        )
    kept = tuple(
        replace(one, lowerings=tuple(x for x in one.lowerings if x.name not in disable))
        for one in passes
    )
    keeps = _KEPT_BY.get(target, frozenset())
    if fuse_all and target == "ort-cpu":
        keeps |= {SOFT_CAPPED}
    return Plan(23, keeps, _session(target, precision), kept)


def _session(target: str, precision: str | None) -> SessionSettings:
    session = _CPU_SESSION if target == "ort-cpu" else SessionSettings()
    if precision == "fp16" and target.startswith("ort-"):
        return replace(session, disabled_optimizers=(*session.disabled_optimizers, *HALF))
    return session
