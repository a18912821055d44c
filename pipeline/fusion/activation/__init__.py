"""GELU, SiLU and their gated forms, in any spelling."""

from __future__ import annotations

from pipeline.fusion.activation.find import find_activations
from pipeline.fusion.activation.lower_quick_gelu import FuseQuickGelu
from pipeline.fusion.activation.lower_standard import FuseGelu, FuseSwish
from pipeline.fusion.construct import Choice, Pass


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("activation", find_activations, (FuseGelu(), FuseQuickGelu(), FuseSwish())),)
