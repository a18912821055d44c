"""Which constructs are recognised, in which order, and what lowers them for each target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError
from pipeline.graph.recognise.activation import find_activations
from pipeline.graph.recognise.activation_bias import find_bias_gelus
from pipeline.graph.recognise.attention import find_attention
from pipeline.graph.recognise.attention_in_place import find_attention_in_place
from pipeline.graph.recognise.attention_packed import find_packed_attention
from pipeline.graph.recognise.attention_rotary import find_rotary_attention
from pipeline.graph.recognise.embedding import find_embeddings
from pipeline.graph.recognise.norm import find_norms
from pipeline.graph.recognise.norm_native import find_native_norms
from pipeline.graph.recognise.norm_residual import find_residual_norms
from pipeline.graph.recognise.norm_rounded import find_rounded_norms
from pipeline.graph.recognise.packing import find_packings
from pipeline.graph.recognise.rotary import find_rotaries
from pipeline.graph.recognise.rotary_repair import find_rotary_repairs
from pipeline.graph.recognise.softmax import find_softmaxes
from pipeline.lowerings.activation_bias import FuseBiasGelu
from pipeline.lowerings.activation_quick_gelu import FuseQuickGelu
from pipeline.lowerings.activation_standard import FuseGelu, FuseSwish
from pipeline.lowerings.attention_cuda import FuseAttentionCuda
from pipeline.lowerings.attention_in_place import FuseAttentionInPlace
from pipeline.lowerings.attention_packed import FuseAttentionPacked
from pipeline.lowerings.attention_rotary import FuseAttentionRotary
from pipeline.lowerings.attention_standard import FuseAttentionStandard
from pipeline.lowerings.attention_tensorrt import FuseAttentionTensorrt
from pipeline.lowerings.base import Lowering
from pipeline.lowerings.embedding_norm import FuseEmbeddingNorm
from pipeline.lowerings.norm_outer_epsilon import FuseLayerNormOuterEpsilon
from pipeline.lowerings.norm_residual import FuseSkipLayerNorm, FuseSkipRmsNorm
from pipeline.lowerings.norm_standard import FuseLayerNorm, FuseRmsNorm
from pipeline.lowerings.packing_split import SplitBeforeTranspose
from pipeline.lowerings.rotary_repair import RepairRotaryBatch
from pipeline.lowerings.rotary_standard import FuseRotary
from pipeline.lowerings.softmax_standard import FuseSoftmax
from pipeline.optimize.rewrite import Pass


@dataclass(frozen=True)
class Plan:
    """What a target's passes need: the lowest opset, and settings of the runtime.

    Attributes:
        opset: The ai.onnx opset the graph is raised to.
        session: Settings written beside the graph for ONNX Runtime.
        passes: In order.
    """

    opset: int
    session: dict[str, Any]
    passes: tuple[Pass, ...]


# Denormals inside masked softmaxes cost 1.3 to 1.8 times; ONNX Runtime's own SkipLayerNorm
# fusion makes Add + LayerNormalization 2 to 5 times slower on CPU.
_CPU_SESSION: dict[str, Any] = {
    "disabled_optimizers": ["SkipLayerNormFusion"],
    "denormals": "flush",
}


def lowerings_for(
    target: str, *, fuse_all: bool = False, half: bool = False
) -> dict[str, tuple[Lowering[Any], ...]]:
    """Return every lowering that serves the target, by construct, in order of preference.

    Args:
        target: The target.
        fuse_all: Also what measures slower fused.
        half: Whether the graph is typed float16 afterwards.
    """
    known: dict[str, tuple[Lowering[Any], ...]] = {
        "packing": (SplitBeforeTranspose(),),
        "softmax": (FuseSoftmax(),),
        "norm": (FuseLayerNorm(), FuseLayerNormOuterEpsilon(target=target), FuseRmsNorm()),
        "activation": (FuseGelu(), FuseQuickGelu(), FuseSwish()),
        "rotary": (FuseRotary(target),),
        "rotary-repair": (RepairRotaryBatch(),),
        "embedding": (FuseEmbeddingNorm(fuse_all=fuse_all, target=target),),
        "bias-gelu": (FuseBiasGelu(),),
        "residual-norm": (
            FuseSkipLayerNorm(fuse_all=fuse_all, target=target),
            FuseSkipRmsNorm(),
        ),
        "attention": (
            FuseAttentionTensorrt(),
            FuseAttentionCuda(),
            FuseAttentionStandard(fuse_all=fuse_all, target=target),
        ),
        "attention-in-place": (FuseAttentionInPlace(half=half),),
        "attention-rotary": (FuseAttentionRotary(),),
        "attention-packed": (FuseAttentionPacked(),),
    }
    return {kind: tuple(x for x in found if target in x.targets) for kind, found in known.items()}


# ONNX Runtime 1.32 ends the process on a Transpose of the batch before a float16 MatMul.
_HALF_DISABLED = ["NchwcTransformer"]


def plan_for(
    target: str,
    disable: tuple[str, ...] = (),
    *,
    fuse_all: bool = False,
    precision: str | None = None,
) -> Plan:
    """Return the passes for a target, and the settings its runtime needs in a precision.

    Raises:
        UsageError: `disable` names a lowering that does not exist.
    """
    lowerings = lowerings_for(target, fuse_all=fuse_all, half=precision == "fp16")
    names = {x.name for found in lowerings.values() for x in found}
    if unknown := [name for name in disable if name not in names]:
        raise UsageError(
            f"--disable {unknown[0]!r}: there is no such lowering for {target}",
            fix=f"one of {', '.join(sorted(names))}",
        )
    kept = {
        kind: tuple(x for x in found if x.name not in disable) for kind, found in lowerings.items()
    }
    return Plan(23, _session(target, precision), _passes(kept))


def _passes(kept: dict[str, tuple[Lowering[Any], ...]]) -> tuple[Pass, ...]:
    """Return every construct with what may lower it, in the order they are looked for."""
    return (
        # packed projections first: everything after them reads the pieces' layouts
        Pass("packing", find_packings, kept["packing"]),
        # written-out softmaxes first: attention anchors only on the operator
        Pass("softmax", find_softmaxes, kept["softmax"]),
        # norms of queries and keys, before the operands of attention are read
        Pass("norm", find_native_norms, ()),
        Pass("norm", find_norms, kept["norm"]),
        # what is left of them has a quantiser inside
        Pass("norm", find_rounded_norms, ()),
        Pass("activation", find_activations, kept["activation"]),
        # rotations before attention, which then reads their results as operands
        Pass("rotary", find_rotaries, kept["rotary"]),
        Pass("rotary-repair", find_rotary_repairs, kept["rotary-repair"]),
        Pass("attention", find_attention, kept["attention"]),
        # caches of fixed size, whose attention is an operator by now; then what stands before
        # it, the nearest first
        Pass("attention-in-place", find_attention_in_place, kept["attention-in-place"]),
        Pass("attention-rotary", find_rotary_attention, kept["attention-rotary"]),
        Pass("attention-packed", find_packed_attention, kept["attention-packed"]),
        # what joins operators comes last: embeddings before residual sums, which they end with
        Pass("embedding", find_embeddings, kept["embedding"]),
        Pass("bias-gelu", find_bias_gelus, kept["bias-gelu"]),
        Pass("residual-norm", find_residual_norms, kept["residual-norm"]),
    )


def _session(target: str, precision: str | None) -> dict[str, Any]:
    session = dict(_CPU_SESSION) if target == "ort-cpu" else {}
    if precision == "fp16" and target.startswith("ort-"):
        session["disabled_optimizers"] = [*session.get("disabled_optimizers", ()), *_HALF_DISABLED]
    return session
