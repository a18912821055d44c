"""Attention, in any spelling: self, cross, grouped, with masks, biases and caches."""

from __future__ import annotations

from pipeline.fusion.attention.contrib import find_contrib_attention
from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_cuda import FuseAttentionCuda
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.attention.lower_tensorrt import FuseAttentionTensorrt
from pipeline.fusion.construct import Choice, Pass


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    lowerings = (
        FuseAttentionTensorrt(),
        FuseAttentionCuda(),
        FuseAttentionStandard(fuse_all=choice.fuse_all, target=choice.target),
    )
    return (
        Pass("attention", find_contrib_attention),
        # any form of the operator is standard ONNX; runtimes want forms of their own
        Pass("attention", find_attention, lowerings, keep_native=choice.target == "onnx"),
    )
