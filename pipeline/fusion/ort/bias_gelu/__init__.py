"""Bias and GELU in one operator."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.bias_gelu.find import find_bias_gelus
from pipeline.fusion.ort.bias_gelu.lower import FuseBiasGelu


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("bias-gelu", find_bias_gelus, (FuseBiasGelu(),)),)
